package main

import (
	"context"
	"fmt"
	"time"

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

// windowSettle is how long a new window may take to come up, with the browser's own pages in its frame.
const windowSettle = time.Second

// tab is a page that is shown.
type tab struct {
	ctx  context.Context
	shut func()
}

// text is what the page says, for a report of what went wrong.
func (t *tab) text() string {
	var s string
	ctx, cancel := context.WithTimeout(t.ctx, 5*time.Second)
	defer cancel()
	if err := chromedp.Run(ctx, chromedp.Evaluate(`document.visibilityState + ": " + document.body.innerText`, &s)); err != nil {
		return err.Error()
	}
	return oneLine(s)
}

// open shows a page in a window with a profile of its own: nothing of earlier openings is cached. The caller shuts it.
func (c *chromium) open(ctx context.Context, url string) (*tab, error) {
	browser := cdp.WithExecutor(c.ctx, chromedp.FromContext(c.ctx).Browser)
	profile, err := target.CreateBrowserContext().WithDisposeOnDetach(true).Do(browser)
	if err != nil {
		return nil, err
	}
	id, err := target.CreateTarget("about:blank").WithBrowserContextID(profile).WithNewWindow(true).Do(browser)
	if err != nil {
		return nil, err
	}
	page, closePage := chromedp.NewContext(c.ctx, chromedp.WithTargetID(id))
	t := &tab{ctx: page, shut: func() {
		closePage()
		_ = target.DisposeBrowserContext(profile).Do(browser) // the browser may have ended
	}}
	// A person has a window open before the page: it shall not share the processor with the window's own coming up.
	if err := chromedp.Run(page, chromedp.Sleep(windowSettle), chromedp.Navigate(url)); err != nil {
		t.shut()
		return nil, err
	}
	return t, ctx.Err()
}
