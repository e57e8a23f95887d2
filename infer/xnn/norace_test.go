//go:build !race

package xnn

// raced says that the race detector slows Go code ten times: long computations in it are left out.
const raced = false
