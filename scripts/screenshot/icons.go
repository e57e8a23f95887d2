package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// makeIcons draws favicon.svg of the page's folder as the icons that its manifest names.
func makeIcons(dir string) error {
	svg, err := os.ReadFile(filepath.Join(dir, "favicon.svg"))
	if err != nil {
		return err
	}
	return withBrowser(func(ctx context.Context) error {
		for _, icon := range []struct {
			name   string
			side   int64
			share  int    // of the side that the drawing takes, per cent
			ground string // behind it
		}{
			{"icon-192.png", 192, 100, "transparent"},
			{"icon-512.png", 512, 100, "transparent"},
			{"icon-maskable.png", 512, 76, "#0b7a75"}, // a launcher cuts off up to a tenth on each side
		} {
			html := fmt.Sprintf(`<body style="margin:0;height:100vh;display:grid;place-items:center;background:%s"><img width="%d%%" src="data:image/svg+xml;base64,%s">`,
				icon.ground, icon.share, base64.StdEncoding.EncodeToString(svg))
			var png []byte
			err := chromedp.Run(ctx, chromedp.EmulateViewport(icon.side, icon.side),
				emulation.SetDefaultBackgroundColorOverride().WithColor(&cdp.RGBA{}),
				chromedp.Navigate("data:text/html;base64,"+base64.StdEncoding.EncodeToString([]byte(html))),
				chromedp.CaptureScreenshot(&png))
			if err != nil {
				return fmt.Errorf("%s: %w", icon.name, err)
			}
			if err := os.WriteFile(filepath.Join(dir, icon.name), png, 0o644); err != nil {
				return err
			}
		}
		return nil
	})
}
