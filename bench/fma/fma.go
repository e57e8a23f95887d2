// Package fma measures how many multiply-adds of fp32 a second one core does.
package fma

/*
#cgo CFLAGS: -O2
#include "fma.h"
*/
import "C"

import "time"

// Rate is what a core did.
type Rate struct {
	PerSecond float64 // multiply-adds of fp32
	Width     string  // the instructions that it was measured with
}

// Measure keeps the calling thread busy with each kind of vector instruction that this source knows and the processor has, for
// that long each in CPU time, and gives the fastest. Everything stays in registers: it is the bound that no network on one
// core can beat in fp32.
func Measure(d time.Duration) Rate {
	var best Rate
	for i := range int(C.yfv_fma_ways()) {
		if r := float64(C.yfv_fma_rate(C.int(i), C.double(d.Seconds()))); r > best.PerSecond {
			best = Rate{r, C.GoString(C.yfv_fma_name(C.int(i)))}
		}
	}
	return best
}
