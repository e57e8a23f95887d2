package rtsp

import (
	"bytes"
	"context"
	"encoding/binary"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v4/pkg/base"
	"github.com/bluenviron/gortsplib/v4/pkg/conn"

	"yfv2d/capture/live"
	"yfv2d/pipeline"
)

// cut separates a hostile server's answers.
const cut = "@@@"

// hostile answers each request with the next part of a script, whatever the request is, and at the end closes. It goes on
// without a request after wait: the client may lack more of an answer.
func hostile(c net.Conn, script []byte, wait time.Duration) {
	defer c.Close()
	in := conn.NewConn(c)
	for _, part := range bytes.Split(script, []byte(cut)) {
		_ = c.SetReadDeadline(time.Now().Add(wait))
		seq := "0"
		if got, err := in.Read(); err == nil {
			if req, ok := got.(*base.Request); ok && len(req.Header["CSeq"]) == 1 {
				seq = req.Header["CSeq"][0]
			}
		}
		_ = c.SetWriteDeadline(time.Now().Add(5 * wait))
		if _, err := c.Write(bytes.ReplaceAll(part, []byte("CSEQ"), []byte(seq))); err != nil {
			return
		}
	}
}

// script is a conversation that ends well, with the interleaved packets behind it.
func script(sdp string, frames ...[]byte) []byte {
	answer := func(headers, body string) string {
		return "RTSP/1.0 200 OK\r\nCSeq: CSEQ\r\n" + headers + "\r\n" + body
	}
	var b bytes.Buffer
	b.WriteString(strings.Join([]string{
		answer("Public: OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER\r\n", ""),
		answer("Content-Base: rtsp://cam/stream/\r\nContent-Type: application/sdp\r\nContent-Length: "+strconv.Itoa(len(sdp))+"\r\n", sdp),
		answer("Session: 1234;timeout=60\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1;ssrc=0A0B0C0D\r\n", ""),
		answer("Session: 1234\r\nRTP-Info: url=rtsp://cam/stream/trackID=0;seq=1;rtptime=0\r\n", ""),
	}, cut))
	for _, f := range frames {
		b.Write(f)
	}
	return b.Bytes()
}

// framed is a packet as it stands in an RTSP connection.
func framed(channel byte, packet []byte) []byte {
	b := []byte{'$', channel}
	b = binary.BigEndian.AppendUint16(b, uint16(len(packet)))
	return append(b, packet...)
}

func seedScripts(f *testing.F) {
	f.Helper()
	sdps := map[string]string{"H.264": "H264", "H.265": "H265", "MJPEG": "JPEG"}
	for name, c := range clips {
		pkts, _ := packets(f, c, 300)
		var frames [][]byte
		for i, p := range pkts[:min(len(pkts), 24)] {
			p.Version, p.PayloadType, p.SSRC = 2, 96, 0x0a0b0c0d
			raw, err := p.Marshal()
			if err != nil {
				f.Fatal(err)
			}
			frames = append(frames, framed(0, raw))
			if i == 3 { // a sender report
				frames = append(frames, framed(1, []byte{0x80, 200, 0, 6, 0x0a, 0x0b, 0x0c, 0x0d, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 9, 0, 0, 0, 1, 0, 0, 0, 1}))
			}
		}
		f.Add(script("v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 "+sdps[name]+"/90000\r\na=control:trackID=0\r\n", frames...))
	}
	f.Add([]byte("RTSP/1.0 302 Found\r\nCSeq: CSEQ\r\nLocation: rtsp://a:b@other/\r\n\r\n"))
	f.Add([]byte("RTSP/1.0 401 Unauthorized\r\nCSeq: CSEQ\r\nWWW-Authenticate: Digest realm=\"x\", nonce=\"y\"\r\n\r\n" + cut + "RTSP/1.0 401 No\r\nCSeq: CSEQ\r\n\r\n"))
}

// FuzzServer lets a server say anything: in its answers, its announcement and its packets.
func FuzzServer(f *testing.F) {
	seedScripts(f)
	was := connect
	f.Cleanup(func() { connect = was })
	f.Fuzz(func(t *testing.T, script []byte) {
		connect = func(context.Context, string, string) (net.Conn, error) {
			ours, theirs := net.Pipe()
			go hostile(theirs, script, 20*time.Millisecond)
			return ours, nil
		}
		cfg, err := Parse("rtsp://admin:hidden@cam/stream")
		if err != nil {
			t.Fatal(err)
		}
		src, err := Open(context.Background(), cfg, live.Options{OpenTimeout: time.Second})
		if err != nil {
			checkError(t, err)
			return
		}
		frame := pipeline.NewFrame()
		defer frame.Close()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		for err == nil {
			err = src.Read(ctx, frame)
		}
		checkError(t, err)
		if err := src.Close(); err != nil {
			t.Error(err)
		}
		if n := src.(pipeline.UnitCounter).UnitCounts(); n.Units < n.DecodeError+n.NotDecoded {
			t.Errorf("ledger %+v", n)
		}
	})
}

func checkError(t *testing.T, err error) {
	t.Helper()
	if s := err.Error(); strings.Contains(s, "hidden") || strings.ContainsAny(s, "\r\n") || len(s) > 1000 {
		t.Errorf("error %q", s)
	}
}

// TestScripts: the seeds are sound, or the fuzzing would not reach far.
func TestScripts(t *testing.T) {
	was := connect
	defer func() { connect = was }()
	pkts, _ := packets(t, clips["H.264"], 300)
	var frames [][]byte
	for _, p := range pkts {
		p.Version, p.PayloadType, p.SSRC = 2, 96, 7
		raw, err := p.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		frames = append(frames, framed(0, raw))
	}
	connect = func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go hostile(theirs, script("v=0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:trackID=0\r\n", frames...), 10*time.Second)
		return ours, nil
	}
	cfg, err := Parse("rtsp://cam/stream")
	if err != nil {
		t.Fatal(err)
	}
	src, err := Open(context.Background(), cfg, live.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	frame := pipeline.NewFrame()
	defer frame.Close()
	for err == nil {
		err = src.Read(context.Background(), frame)
	}
	if n := src.(pipeline.UnitCounter).UnitCounts(); n.Units != 15 || !strings.Contains(err.Error(), "closed the connection") {
		t.Errorf("%+v, then %v", n, err)
	}
}
