package main

import (
	"context"
	"fmt"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

// chromium is a headless browser at work.
type chromium struct {
	ctx   context.Context
	close func() // ends it and waits for it
}

// startChromium starts it with an empty profile and an empty tab.
func startChromium(ctx context.Context) (*chromium, error) {
	// As root Chromium has no sandbox; without the background flags it looks up hosts that are none of our business.
	flags := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.DisableGPU, chromedp.WindowSize(1280, 800))
	for _, f := range []string{"disable-quic", "disable-background-networking", "disable-component-update", "disable-dev-shm-usage", "mute-audio"} {
		flags = append(flags, chromedp.Flag(f, true))
	}
	alloc, stopBrowser := chromedp.NewExecAllocator(ctx, flags...)
	// A Chromium newer than the protocol library sends events that it does not know: no news.
	tab, closeTab := chromedp.NewContext(alloc, chromedp.WithErrorf(func(string, ...any) {}), chromedp.WithLogf(func(string, ...any) {}))
	c := &chromium{ctx: tab, close: func() {
		closeTab()
		stopBrowser()
	}}
	if err := chromedp.Run(tab, chromedp.Navigate("about:blank")); err != nil {
		c.close()
		return nil, fmt.Errorf("start chromium: %w", err)
	}
	return c, nil
}

// open shows a page in a window with a profile of its own: nothing of earlier openings is cached. shut closes it.
func (c *chromium) open(ctx context.Context, url string) (shut func(), err error) {
	browser := cdp.WithExecutor(c.ctx, chromedp.FromContext(c.ctx).Browser)
	profile, err := target.CreateBrowserContext().WithDisposeOnDetach(true).Do(browser)
	if err != nil {
		return nil, err
	}
	id, err := target.CreateTarget("about:blank").WithBrowserContextID(profile).WithNewWindow(true).Do(browser)
	if err != nil {
		return nil, err
	}
	tab, closeTab := chromedp.NewContext(c.ctx, chromedp.WithTargetID(id))
	shut = func() {
		closeTab()
		_ = target.DisposeBrowserContext(profile).Do(browser) // the browser may have ended
	}
	if err := chromedp.Run(tab, chromedp.Navigate(url)); err != nil {
		shut()
		return nil, err
	}
	return shut, ctx.Err()
}
