#!/usr/bin/python3
"""An RTSP camera made of GStreamer: server.py USER PASSWORD CLIP.mp4 PATTERN.h265 PATTERN.mjpeg

It serves /h264, /h265 and /mjpeg, over TCP and UDP, to USER by Digest, or by Basic if CLIP.mp4 has "basic:" before it. Each
client sees the file from its beginning to its end. The port is written to standard output; the server ends with its input.
"""
import sys
import threading

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer

user, password, mp4, h265, mjpeg = sys.argv[1:]
Gst.init(None)
server = GstRtspServer.RTSPServer(address="127.0.0.1", service="0")

token = GstRtspServer.RTSPToken()
token.set_string("media.factory.role", "viewer")
auth = GstRtspServer.RTSPAuth()
auth.set_supported_methods(GstRtsp.RTSPAuthMethod.BASIC if mp4.startswith("basic:") else GstRtsp.RTSPAuthMethod.DIGEST)
mp4 = mp4.removeprefix("basic:")
auth.add_digest(user, password, token)
auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
server.set_auth(auth)

for path, launch in {
    "/h264": f"filesrc location={mp4} ! qtdemux ! rtph264pay name=pay0 pt=96 mtu=600",
    "/h265": f"filesrc location={h265} ! h265parse ! rtph265pay name=pay0 pt=96",
    "/mjpeg": f"filesrc location={mjpeg} ! image/jpeg,framerate=15/1 ! jpegparse ! identity sleep-time=66000 ! rtpjpegpay name=pay0 pt=26",
}.items():
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch("( " + launch + " )")
    factory.add_role_from_structure(Gst.Structure.new_from_string(
        "viewer,media.factory.access=(boolean)true,media.factory.construct=(boolean)true"))
    server.get_mount_points().add_factory(path, factory)

if server.attach(None) == 0:
    sys.exit("the server cannot listen")
loop = GLib.MainLoop()
print(server.get_bound_port(), flush=True)
threading.Thread(target=lambda: (sys.stdin.read(), loop.quit()), daemon=True).start()
loop.run()
