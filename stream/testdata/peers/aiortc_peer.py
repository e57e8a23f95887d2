"""Watches a camera by WHEP with aiortc: aiortc_peer.py URL FRAMES CODEC. It prints what it decoded as JSON."""

import asyncio
import json
import sys
import urllib.request
from urllib.parse import urljoin

from aiortc import RTCPeerConnection, RTCRtpReceiver, RTCSessionDescription


def post(url, sdp):
    request = urllib.request.Request(url, sdp.encode(), {"Content-Type": "application/sdp"}, method="POST")
    with urllib.request.urlopen(request, timeout=10) as response:
        return response.status, response.headers["Location"], response.read().decode()


def delete(url):
    with urllib.request.urlopen(urllib.request.Request(url, method="DELETE"), timeout=10) as response:
        return response.status


async def main(url, frames, codec):
    pc = RTCPeerConnection()
    transceiver = pc.addTransceiver("video", direction="recvonly")
    known = RTCRtpReceiver.getCapabilities("video").codecs
    transceiver.setCodecPreferences([c for c in known if c.mimeType.lower() == "video/" + codec])
    track = asyncio.get_running_loop().create_future()
    pc.on("track", lambda t: track.set_result(t))
    await pc.setLocalDescription(await pc.createOffer())
    loop = asyncio.get_running_loop()
    status, location, answer = await loop.run_in_executor(None, post, url, pc.localDescription.sdp)
    await pc.setRemoteDescription(RTCSessionDescription(answer, "answer"))
    stream = await track
    seen = []
    for _ in range(frames):
        frame = await asyncio.wait_for(stream.recv(), 20)
        seen.append((frame.width, frame.height, frame.pts))
    ended = await loop.run_in_executor(None, delete, urljoin(url, location))
    await pc.close()
    times = [s[2] for s in seen]
    print(json.dumps({"status": status, "ended": ended, "frames": len(seen), "width": seen[-1][0], "height": seen[-1][1],
                      "grows": all(a < b for a, b in zip(times, times[1:]))}))


asyncio.run(asyncio.wait_for(main(sys.argv[1], int(sys.argv[2]), sys.argv[3]), 60))
