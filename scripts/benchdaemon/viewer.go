package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/pion/webrtc/v3"
)

// viewer is a WHEP client that reads and counts; a nil viewer counts nothing.
type viewer struct {
	pc      *webrtc.PeerConnection
	packets atomic.Uint64
	bytes   atomic.Uint64
}

func (v *viewer) counts() (packets, bytes uint64) {
	if v == nil {
		return 0, 0
	}
	return v.packets.Load(), v.bytes.Load()
}

func (v *viewer) close() { _ = v.pc.Close() }

// watch connects to a WHEP endpoint; the stream is read until ctx ends or close.
func watch(ctx context.Context, url string) (*viewer, error) {
	var se webrtc.SettingEngine
	se.SetIncludeLoopbackCandidate(true)
	me := &webrtc.MediaEngine{}
	if err := me.RegisterDefaultCodecs(); err != nil {
		return nil, err
	}
	pc, err := webrtc.NewAPI(webrtc.WithSettingEngine(se), webrtc.WithMediaEngine(me)).NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		return nil, err
	}
	v := &viewer{pc: pc}
	pc.OnTrack(func(t *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
		for {
			p, _, err := t.ReadRTP()
			if err != nil {
				return
			}
			v.packets.Add(1)
			v.bytes.Add(uint64(len(p.Payload)))
		}
	})
	if err := v.negotiate(ctx, url); err != nil {
		v.close()
		return nil, fmt.Errorf("watch %s: %w", url, err)
	}
	return v, nil
}

func (v *viewer) negotiate(ctx context.Context, url string) error {
	recv := webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly}
	if _, err := v.pc.AddTransceiverFromKind(webrtc.RTPCodecTypeVideo, recv); err != nil {
		return err
	}
	offer, err := v.pc.CreateOffer(nil)
	if err != nil {
		return err
	}
	gathered := webrtc.GatheringCompletePromise(v.pc)
	if err := v.pc.SetLocalDescription(offer); err != nil {
		return err
	}
	<-gathered
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(v.pc.LocalDescription().SDP))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/sdp")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 1<<16))
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusCreated {
		return fmt.Errorf("%s: %s", resp.Status, answer)
	}
	return v.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: string(answer)})
}
