"""Watches a camera by WHEP with GStreamer's webrtcbin: webrtcbin_peer.py URL FRAMES CODEC. It prints what it decoded as JSON."""

import json
import sys
import urllib.error
import urllib.request
from urllib.parse import urljoin

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstSdp", "1.0")
gi.require_version("GstWebRTC", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402

FORMATS = {
    "h264": "encoding-name=H264,payload=96,packetization-mode=(string)1,profile-level-id=(string)42e01f",
    "vp8": "encoding-name=VP8,payload=96",
}
DECODERS = {
    "h264": "rtph264depay ! h264parse ! openh264dec",
    "vp8": "rtpvp8depay ! vp8dec",
}


class Peer:
    def __init__(self, url, frames, codec):
        self.url, self.wanted, self.codec = url, frames, codec
        self.seen, self.size, self.location, self.failure = [], None, None, None
        self.loop = GLib.MainLoop()
        self.pipe = Gst.Pipeline.new("peer")
        self.rtc = Gst.ElementFactory.make("webrtcbin", "rtc")
        self.rtc.set_property("bundle-policy", GstWebRTC.WebRTCBundlePolicy.MAX_BUNDLE)
        self.pipe.add(self.rtc)
        self.rtc.connect("pad-added", self.on_pad)
        self.rtc.connect("notify::ice-gathering-state", self.on_gathering)
        bus = self.pipe.get_bus()
        bus.add_signal_watch()
        bus.connect("message::error", self.on_error)

    def run(self):
        self.pipe.set_state(Gst.State.READY)
        caps = Gst.Caps.from_string("application/x-rtp,media=video,clock-rate=90000," + FORMATS[self.codec])
        self.rtc.emit("add-transceiver", GstWebRTC.WebRTCRTPTransceiverDirection.RECVONLY, caps)
        self.pipe.set_state(Gst.State.PLAYING)
        self.rtc.emit("create-offer", None, Gst.Promise.new_with_change_func(self.on_offer))
        GLib.timeout_add_seconds(40, self.stop, "no picture in time")
        self.loop.run()
        ended = None
        if self.location:
            request = urllib.request.Request(urljoin(self.url, self.location), method="DELETE")
            with urllib.request.urlopen(request, timeout=10) as response:
                ended = response.status
        self.pipe.set_state(Gst.State.NULL)
        if self.failure:
            sys.exit(self.failure)
        width, height = self.size
        print(json.dumps({"status": 201, "ended": ended, "frames": len(self.seen), "width": width, "height": height,
                          "grows": all(a < b for a, b in zip(self.seen, self.seen[1:]))}))

    def stop(self, failure=None):
        self.failure = self.failure or failure
        self.loop.quit()
        return False

    def on_error(self, _bus, message):
        self.stop(str(message.parse_error()))

    def on_offer(self, promise):
        reply = promise.get_reply()  # owns the offer
        self.rtc.emit("set-local-description", reply.get_value("offer"), Gst.Promise.new())

    def on_gathering(self, *_):
        if self.rtc.get_property("ice-gathering-state") == GstWebRTC.WebRTCICEGatheringState.COMPLETE:
            GLib.idle_add(self.ask)

    def ask(self):
        text = self.rtc.get_property("local-description").sdp.as_text()
        request = urllib.request.Request(self.url, text.encode(), {"Content-Type": "application/sdp"}, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                self.location, answer = response.headers["Location"], response.read()
        except urllib.error.HTTPError as err:
            self.stop("%s %s" % (err, err.read().decode()))
            return False
        _, message = GstSdp.SDPMessage.new_from_text(answer.decode())
        described = GstWebRTC.WebRTCSessionDescription.new(GstWebRTC.WebRTCSDPType.ANSWER, message)
        self.rtc.emit("set-remote-description", described, Gst.Promise.new())
        return False

    def on_pad(self, _rtc, pad):
        if pad.get_direction() != Gst.PadDirection.SRC:
            return
        out = Gst.parse_bin_from_description(
            "queue ! " + DECODERS[self.codec] + " ! fakesink name=sink signal-handoffs=true sync=false", True)
        out.get_by_name("sink").connect("handoff", self.on_picture)
        self.pipe.add(out)
        out.sync_state_with_parent()
        pad.link(out.get_static_pad("sink"))

    def on_picture(self, _sink, buffer, pad):
        caps = pad.get_current_caps().get_structure(0)
        self.size = caps.get_int("width")[1], caps.get_int("height")[1]
        self.seen.append(buffer.pts)
        if len(self.seen) == self.wanted:
            GLib.idle_add(self.stop)


Gst.init(None)
Peer(sys.argv[1], int(sys.argv[2]), sys.argv[3]).run()
