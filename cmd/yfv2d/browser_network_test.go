package main

import (
	"context"
	"testing"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// keepConnections lets a test get at the connections that the page makes.
const keepConnections = `(() => {
	const Made = RTCPeerConnection;
	globalThis.connections = [];
	globalThis.RTCPeerConnection = class extends Made {
		constructor(...args) {
			super(...args);
			connections.push(this);
		}
	};
	globalThis.credentials = () => connections.at(-1).remoteDescription?.sdp.match(/^a=ice-ufrag:.*$/m)?.[0];
	// A browser tells of a way that is lost only after seconds, and nobody can cut the loopback interface.
	globalThis.lose = () => {
		const c = connections.at(-1);
		Object.defineProperty(c, 'connectionState', { get: () => 'disconnected', configurable: true });
		c.onconnectionstatechange();
		delete c.connectionState;
	};
})()`

// TestBrowserNetworkChange: when the network changes the same connection finds another way; if the server does not know it
// any more a new one is made.
func TestBrowserNetworkChange(t *testing.T) {
	t.Parallel() // it mostly waits
	b := openBrowser(t)
	s := serve(t, "127.0.0.1:0", testCamera("one", "size=320x240&fps=10"))
	w := wayTo(t, s)
	b.do(chromedp.ActionFunc(func(ctx context.Context) error {
		_, err := page.AddScriptToEvaluateOnNewDocument(keepConnections).Do(ctx)
		return err
	}))
	b.fresh(w.url)
	b.waitPlaying("one")
	b.waitFor("the connection stands", `connections.at(-1).connectionState === 'connected'`)
	for _, row := range []struct{ name, event string }{
		{"the browser says so", `dispatchEvent(new Event('online'))`},
		{"the way is lost", `lose()`},
	} {
		t.Run(row.name, func(t *testing.T) {
			b.t = t
			posts, patches := w.posts.Load(), w.patches.Load()
			b.run(`globalThis.before = credentials(); globalThis.video = ` + cardOf("one", "video"))
			b.run(row.event)
			b.waitFor("the server has given other credentials", `credentials() !== before`)
			b.waitFor("the connection stands", `connections.at(-1).connectionState === 'connected' && connections.at(-1).signalingState === 'stable'`)
			b.waitFrames("one", 10)
			b.waitFor("it is the same picture", cardOf("one", "video")+` === video`)
			if n := w.posts.Load() - posts; n != 0 {
				t.Errorf("%d new sessions", n)
			}
			if n := w.patches.Load() - patches; n != 1 {
				t.Errorf("%d PATCH requests, want 1", n)
			}
		})
	}
	t.Run("the server does not know it any more", func(t *testing.T) {
		b.t = t
		posts := w.posts.Load()
		w.noPatch.Store(true)
		b.run(`lose()`)
		waitUntil(t, "a new session is asked for", func() bool { return w.posts.Load() > posts })
		b.waitPlaying("one")
		b.waitFrames("one", 10)
		waitUntil(t, "one viewer is left", func() bool { return s.d.whep.Viewers("one") == 1 })
	})
	b.t = t
}
