//go:build !noxnnpack

#include "operator_q8.h"
#include "loops.h"

#include <stdlib.h>
#include <string.h>

/* Arena, workspace and the buffers in them start on a cache line; 64 bytes is also the widest vector. */
#define YFV_ALIGN 64

typedef struct {
	yfv_step s;
	xnn_operator_t op; /* NULL for a loop of ours */
} bound_step;

struct yfv_program {
	bound_step *steps;
	size_t n, max;
	size_t workspace_bytes, arena_bytes;
	void *workspace;
	float *arena;
	size_t failed;
};

int yfv_init(void) { return xnn_initialize(NULL); }

yfv_program *yfv_new(size_t steps) {
	yfv_program *p = calloc(1, sizeof *p);
	if (p == NULL) return NULL;
	p->max = steps;
	p->steps = calloc(steps, sizeof *p->steps);
	if (p->steps == NULL) {
		free(p);
		return NULL;
	}
	return p;
}

int yfv_add(yfv_program *p, const yfv_step *s, const void *kernel, const void *bias, const float *kernel_scale) {
	if (p->n == p->max) return xnn_status_invalid_state;
	bound_step *b = &p->steps[p->n];
	b->s = *s;
	b->op = NULL;
	if (s->kind < YFV_FILL) {
		size_t need = 0;
		const int q8 = yfv_q8(s);
		enum xnn_status status = q8 ? yfv_q8_create(s, kernel, kernel_scale, bias, &b->op) : yfv_op_create(s, kernel, bias, &b->op);
		if (status != xnn_status_success) return status;
		p->n++; /* from here yfv_free deletes the operator */
		status = q8 ? yfv_q8_reshape(s, b->op, &need) : yfv_op_reshape(s, b->op, &need);
		if (need > p->workspace_bytes) p->workspace_bytes = need;
		return status;
	}
	p->n++;
	return 0;
}

/* A block of zeros that may be read some bytes beyond its end. */
static void *allocate(size_t bytes) {
	const size_t room = (bytes + XNN_EXTRA_BYTES + YFV_ALIGN - 1) / YFV_ALIGN * YFV_ALIGN;
	void *block = aligned_alloc(YFV_ALIGN, room);
	if (block != NULL) memset(block, 0, room);
	return block;
}

int yfv_bind(yfv_program *p, size_t floats) {
	p->arena_bytes = floats * sizeof(float);
	p->arena = allocate(p->arena_bytes);
	p->workspace = allocate(p->workspace_bytes);
	if (p->arena == NULL || p->workspace == NULL) return xnn_status_out_of_memory;
	for (size_t i = 0; i < p->n; i++) {
		bound_step *b = &p->steps[i];
		if (b->op == NULL) continue;
		enum xnn_status status = yfv_q8(&b->s) ? yfv_q8_setup(&b->s, b->op, p->workspace, p->arena)
			: yfv_op_setup(&b->s, b->op, p->workspace, p->arena + b->s.in, p->arena + b->s.out);
		if (status != xnn_status_success) return status;
	}
	return 0;
}

int yfv_run(yfv_program *p, const uint8_t *bgr) {
	for (size_t i = 0; i < p->n; i++) {
		bound_step *b = &p->steps[i];
		if (b->op == NULL) {
			if (b->s.kind < YFV_FILL_Q8) yfv_loop(&b->s, p->arena, bgr);
			else yfv_loop_q8(&b->s, p->arena, bgr);
			continue;
		}
		enum xnn_status status = xnn_run_operator(b->op, NULL); /* no pool: on the caller's thread */
		if (status != xnn_status_success) {
			p->failed = i;
			return status;
		}
	}
	return 0;
}

size_t yfv_failed(const yfv_program *p) { return p->failed; }

const float *yfv_arena(const yfv_program *p) { return p->arena; }

size_t yfv_bytes(const yfv_program *p) { return p->arena_bytes + p->workspace_bytes; }

void yfv_free(yfv_program *p) {
	if (p == NULL) return;
	for (size_t i = 0; i < p->n; i++)
		if (p->steps[i].op != NULL) xnn_delete_operator(p->steps[i].op);
	free(p->steps);
	free(p->arena);
	free(p->workspace);
	free(p);
}
