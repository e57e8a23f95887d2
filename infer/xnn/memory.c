//go:build !noxnnpack

#include "memory.h"

#include <stdlib.h>
#include <string.h>
#include <xnnpack.h>

/* Arena, workspace and the buffers in them start on a cache line; 64 bytes is also the widest vector. */
#define YFV_ALIGN 64

/* A block of zeros that may be read some bytes beyond its end. */
static void *allocate(size_t bytes) {
	const size_t room = (bytes + XNN_EXTRA_BYTES + YFV_ALIGN - 1) / YFV_ALIGN * YFV_ALIGN;
	void *block = aligned_alloc(YFV_ALIGN, room);
	if (block != NULL) memset(block, 0, room);
	return block;
}

static void release(yfv_memory *m) {
	free(m->arena);
	free(m->workspace);
	m->arena = m->workspace = NULL;
	m->arena_bytes = m->workspace_bytes = 0;
	m->generation++;
}

yfv_memory *yfv_memory_new(void) { return calloc(1, sizeof(yfv_memory)); }

int yfv_memory_reserve(yfv_memory *m, size_t arena_bytes, size_t workspace_bytes) {
	if (m->arena != NULL && m->arena_bytes >= arena_bytes && m->workspace_bytes >= workspace_bytes) return 0;
	if (arena_bytes < m->arena_bytes) arena_bytes = m->arena_bytes;
	if (workspace_bytes < m->workspace_bytes) workspace_bytes = m->workspace_bytes;
	release(m); /* first: the old and the new at once would be the most that is ever in use */
	m->arena = allocate(arena_bytes);
	m->workspace = allocate(workspace_bytes);
	if (m->arena == NULL || m->workspace == NULL) {
		release(m);
		return xnn_status_out_of_memory;
	}
	m->arena_bytes = arena_bytes;
	m->workspace_bytes = workspace_bytes;
	return 0;
}

void yfv_memory_free(yfv_memory *m) {
	if (m == NULL) return;
	release(m);
	free(m);
}
