package faulttest

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"
)

// WriteTable writes a line for each transport and kind of fault.
func WriteTable(w io.Writer, results []Result) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "transport\tfault\tcount\trecovered\tmedian s\tworst s\tclosest to its limit s\t")
	for _, transport := range Transports {
		for _, k := range Kinds(transport) {
			var took []time.Duration
			n, ok := 0, 0
			spare := time.Duration(1<<63 - 1)
			for _, r := range results {
				if r.Transport != transport || r.Kind != k {
					continue
				}
				n++
				if r.OK() {
					ok++
				}
				if r.Recovered {
					took = append(took, r.Took)
					spare = min(spare, r.Limit-r.Took)
				}
			}
			if n == 0 {
				continue
			}
			if len(took) == 0 {
				fmt.Fprintf(t, "%s\t%s\t%d\t%d\t\t\t\t\n", transport, k, n, ok)
				continue
			}
			slices.Sort(took)
			fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%.2f\t%.2f\t%.2f\t\n", transport, k, n, ok,
				took[len(took)/2].Seconds(), took[len(took)-1].Seconds(), spare.Seconds())
		}
	}
	return t.Flush()
}

// Summary is a line of how many recovered in time and with nothing else wrong, and the longest recovery.
func Summary(results []Result) (line string, all bool) {
	ok, worst := 0, time.Duration(0)
	for _, r := range results {
		if r.OK() {
			ok++
		}
		worst = max(worst, r.Took)
	}
	return fmt.Sprintf("%d of %d recovered, worst %.1f s", ok, len(results), worst.Seconds()), ok == len(results)
}
