//go:build race

package tracker

func init() { longRun = 20_000 } // the race detector slows everything down, and one goroutine races with nobody
