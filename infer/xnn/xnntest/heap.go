// Package xnntest tells tests how much memory C code holds.
package xnntest

/*
#include <malloc.h>
#include <stddef.h>

// One heap for all threads: mallinfo2 tells of no other.
__attribute__((constructor)) static void yfv_one_heap(void) { mallopt(M_ARENA_MAX, 1); }

static size_t yfv_heap(void) {
	struct mallinfo2 m = mallinfo2();
	return m.uordblks + m.hblkhd;
}
*/
import "C"

// Heap is how many bytes malloc has given out in the whole process and not got back, large blocks included. What a
// thread has freed and keeps for its next call counts as given out: lock the test to its thread.
func Heap() int { return int(C.yfv_heap()) }
