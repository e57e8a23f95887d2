package rtsp

import (
	"errors"
	"strings"
	"testing"

	"github.com/bluenviron/gortsplib/v4/pkg/description"
	psdp "github.com/bluenviron/gortsplib/v4/pkg/sdp"

	"yfv2d/capture/live"
	"yfv2d/pipeline"
)

const (
	spsBase64 = "Z0LAHtkDxWhAAAADAEAAAAwDxYuS"
	ppsBase64 = "aMuMsg=="
)

func TestReadOffer(t *testing.T) {
	h264 := "a=rtpmap:96 H264/90000\na=fmtp:96 packetization-mode=1; sprop-parameter-sets=" + spsBase64 + "," + ppsBase64 + "\n"
	rows := []struct {
		name, sdp string
		types     map[uint8]pipeline.Codec
		sets      int
		holds     string // in what the library gets
	}{
		{"plain", "v=0\nm=video 0 RTP/AVP 96\n" + h264 + "a=control:trackID=1\n", map[uint8]pipeline.Codec{96: pipeline.H264}, 2, "a=control:trackID=1\r\n"},
		{"broken audio before it", "v=0\nm=audio 0 RTP/AVP 97\na=rtpmap:97 MPEG4-GENERIC/x\na=fmtp:97 config=zz\nm=video 0 RTP/AVP 96\n" + h264,
			map[uint8]pipeline.Codec{96: pipeline.H264}, 2, "m=video 0 RTP/AVP 96\r\n"},
		{"unsupported video before it", "v=0\nm=video 0 RTP/AVP 97\na=rtpmap:97 VP8/90000\nm=video 0 RTP/AVP 96\n" + h264 + "a=control:second\n",
			map[uint8]pipeline.Codec{96: pipeline.H264}, 2, "a=control:second\r\n"},
		{"two formats", "v=0\nm=video 0 RTP/AVP 96 98 99\n" + h264 + "a=rtpmap:98 H265/90000\na=rtpmap:99 VP9/90000\n",
			map[uint8]pipeline.Codec{96: pipeline.H264, 98: pipeline.H265}, 2, "m=video 0 RTP/AVP 96 98\r\n"},
		{"static JPEG", "v=0\nm=video 0 RTP/AVP 26\n", map[uint8]pipeline.Codec{26: pipeline.JPEG}, 0, ""},
		{"small letters", "v=0\nm=video 0 rtp/avp 96\na=rtpmap:96 h264/90000\n", map[uint8]pipeline.Codec{96: pipeline.H264}, 0, "m=video 0 RTP/AVP 96\r\n"},
		{"start codes in the sets", "v=0\nm=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\na=fmtp:96 sprop-parameter-sets=AAAAAWdCwB7ZA8VoQAAAAwBAAAAMA8WLkgAAAAFoy4yy\n",
			map[uint8]pipeline.Codec{96: pipeline.H264}, 2, ""},
		{"damaged sets", "v=0\nm=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\na=fmtp:96 sprop-parameter-sets=!!,,\n", map[uint8]pipeline.Codec{96: pipeline.H264}, 0, ""},
		{"relative control of the session", "v=0\na=control:/stream/\nm=video 0 RTP/AVP 96\n" + h264, map[uint8]pipeline.Codec{96: pipeline.H264}, 2, ""},
		{"absolute control of the session", "v=0\na=control:rtsp://cam/stream/\nm=video 0 RTP/AVP 96\n" + h264, map[uint8]pipeline.Codec{96: pipeline.H264}, 2,
			"a=control:rtsp://cam/stream/\r\nm="},
		{"odd control", "v=0\nm=video 0 RTP/AVP 96\n" + h264 + "a=control:track 1%#\n", map[uint8]pipeline.Codec{96: pipeline.H264}, 2, "a=control:track%201%25%23\r\n"},
		{"no session part", "m=video 0 RTP/AVP 96\n" + h264, map[uint8]pipeline.Codec{96: pipeline.H264}, 2, ""},
		{"SRTP", "v=0\nm=video 0 RTP/SAVP 96\n" + h264, map[uint8]pipeline.Codec{96: pipeline.H264}, 2, "m=video 0 RTP/SAVP 96\r\n"},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			o, err := readOffer([]byte(strings.ReplaceAll(r.sdp, "\n", "\r\n")))
			if err != nil {
				t.Fatal(err)
			}
			if len(o.forms) != len(r.types) {
				t.Errorf("formats %v, want %v", o.forms, r.types)
			}
			sets := 0
			for pt, c := range r.types {
				if o.forms[pt].codec != c {
					t.Errorf("type %d is %v, want %s", pt, o.forms[pt].codec, c)
				}
				sets += len(o.forms[pt].sets)
			}
			if sets != r.sets {
				t.Errorf("%d parameter sets, want %d", sets, r.sets)
			}
			if !strings.Contains(string(o.sdp), r.holds) {
				t.Errorf("the library gets\n%s\nwithout %q", o.sdp, r.holds)
			}
			libraryTakes(t, o)
		})
	}
}

// libraryTakes asks the library to read an announcement of ours.
func libraryTakes(t *testing.T, o offer) {
	t.Helper()
	var parsed psdp.SessionDescription
	var desc description.Session
	if err := parsed.Unmarshal(o.sdp); err != nil {
		t.Fatalf("the library refuses\n%s: %v", o.sdp, err)
	}
	if err := desc.Unmarshal(&parsed); err != nil {
		t.Fatalf("the library refuses\n%s: %v", o.sdp, err)
	}
	if len(desc.Medias) != 1 || len(desc.Medias[0].Formats) != len(o.forms) {
		t.Fatalf("the library reads %+v of\n%s", desc.Medias, o.sdp)
	}
}

func TestReadOfferRefusals(t *testing.T) {
	rows := []struct{ name, sdp, says string }{
		{"VP8 and AAC", "v=0\nm=video 0 RTP/AVP 96\na=rtpmap:96 VP8/90000\nm=audio 0 RTP/AVP 97\na=rtpmap:97 MPEG4-GENERIC/48000/2\n",
			"the stream has video VP8 and audio AAC; supported are H.264, H.265, MJPEG"},
		{"audio only", "v=0\nm=audio 0 RTP/AVP 0\n", "the stream has no video, only audio G.711; supported are H.264, H.265, MJPEG"},
		{"nothing", "v=0\n", "the stream has no video; supported are"},
		{"metadata only", "v=0\nm=application 0 RTP/AVP 107\na=rtpmap:107 vnd.onvif.metadata/90000\n", "the stream has no video; supported are"},
		{"interleaved", "v=0\nm=video 0 RTP/AVP 96\na=rtpmap:96 H265/90000\na=fmtp:96 sprop-max-don-diff=3\n", "the stream has video H.265 (interleaved); supported"},
		{"unknown type", "v=0\nm=video 0 RTP/AVP 96\n", "the stream has video of unknown type 96; supported"},
		{"hostile name", "v=0\nm=video 0 RTP/AVP 96\na=rtpmap:96 \x1b[31m" + strings.Repeat("X", 5000) + "/90000\n", "the stream has video [31MXXX"},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			_, err := readOffer([]byte(r.sdp))
			var refused *live.Refused
			if !errors.As(err, &refused) || !strings.Contains(err.Error(), r.says) {
				t.Errorf("error %v, want a refusal with %q", err, r.says)
			}
			if err != nil && (len(err.Error()) > 300 || strings.ContainsAny(err.Error(), "\n\x1b")) {
				t.Errorf("error %q", err)
			}
		})
	}
}

func FuzzReadOffer(f *testing.F) {
	f.Add([]byte("v=0\r\na=control:rtsp://x/\r\nm=video 0 RTP/AVP 96 26\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1; sprop-parameter-sets=" +
		spsBase64 + "," + ppsBase64 + "\r\na=control:trackID=0\r\na=framesize:26 2560-1440\r\n"))
	f.Add([]byte("v=0\nm=video 0 RTP/SAVP 97\na=rtpmap:97 H265/90000\na=fmtp:97 sprop-vps=QAE=;sprop-sps=QgE=;sprop-pps=RAE=\na=key-mgmt:mikey AQ==\n"))
	f.Fuzz(func(t *testing.T, body []byte) {
		o, err := readOffer(body)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\r\n") {
				t.Errorf("error %q", err)
			}
			return
		}
		var parsed psdp.SessionDescription
		var desc description.Session
		if err := parsed.Unmarshal(o.sdp); err != nil {
			t.Fatalf("%q: %v", o.sdp, err)
		}
		if err := desc.Unmarshal(&parsed); err == nil && len(desc.Medias[0].Formats) != len(o.forms) {
			t.Errorf("%d formats of %d", len(desc.Medias[0].Formats), len(o.forms))
		}
	})
}
