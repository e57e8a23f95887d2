#ifndef YFV2D_XNN_MEMORY_H
#define YFV2D_XNN_MEMORY_H

#include "net.h"

/*
 * What programs that never run at the same time share: the arena for values and the operators' workspace, as large as the
 * program that needs most. Each time it grows all of it lies elsewhere, and its generation is another.
 */
struct yfv_memory {
	float *arena;
	void *workspace;
	size_t arena_bytes, workspace_bytes;
	uint64_t generation;
};

/* Makes it at least as large as that. 0, or xnn_status; then it is empty. */
int yfv_memory_reserve(yfv_memory *m, size_t arena_bytes, size_t workspace_bytes);

#endif
