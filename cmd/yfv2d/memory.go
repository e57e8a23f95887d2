package main

// What memory.c sets is in force from the program's start.

// void yfv2d_trim(void);
import "C"

import "runtime/debug"

// returnMemory gives what starting up has left unused back to the system: reading the model takes 15 MB of Go's heap for
// a moment, which would go back within minutes or, while the daemon is busy, not at all.
func returnMemory() {
	debug.FreeOSMemory()
	C.yfv2d_trim()
}
