//go:build !noxnnpack

#include "operator_q8.h"
#include "loops.h"
#include "memory.h"
#include "weights.h"

#include <stdlib.h>

typedef struct {
	yfv_step s;
	xnn_operator_t op; /* NULL for a loop of ours */
} bound_step;

struct yfv_program {
	bound_step *steps;
	size_t n, max;
	size_t workspace_bytes, arena_bytes;
	yfv_memory *memory;  /* lent by the caller of yfv_bind */
	uint64_t generation; /* of memory, that the steps are bound to */
	yfv_weights *weights;
	size_t failed;
};

int yfv_init(void) { return xnn_initialize(NULL); }

int yfv_shares_weights(void) { return YFV_XNN_RESHAPE; }

yfv_program *yfv_new(size_t steps) {
	yfv_program *p = calloc(1, sizeof *p);
	if (p == NULL) return NULL;
	p->max = steps;
	p->steps = calloc(steps, sizeof *p->steps);
#if YFV_XNN_RESHAPE
	p->weights = yfv_weights_new();
	if (p->weights == NULL) {
		yfv_free(p);
		return NULL;
	}
#endif
	if (p->steps == NULL) {
		yfv_free(p);
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
		enum xnn_status status = q8 ? yfv_q8_create(s, kernel, kernel_scale, bias, p->weights, &b->op)
			: yfv_op_create(s, kernel, bias, p->weights, &b->op);
		if (status != xnn_status_success) return status;
		p->n++; /* from here yfv_free deletes the operator */
		status = q8 ? yfv_q8_reshape(s, b->op, &need) : yfv_op_reshape(s, b->op, &need);
		if (need > p->workspace_bytes) p->workspace_bytes = need;
		return status;
	}
	p->n++;
	return 0;
}

/* Tells all operators where their memory lies now. */
static int setup(yfv_program *p) {
	yfv_memory *m = p->memory;
	for (size_t i = 0; i < p->n; i++) {
		bound_step *b = &p->steps[i];
		if (b->op == NULL) continue;
		enum xnn_status status = yfv_q8(&b->s) ? yfv_q8_setup(&b->s, b->op, m->workspace, m->arena)
			: yfv_op_setup(&b->s, b->op, m->workspace, m->arena + b->s.in, m->arena + b->s.out);
		if (status != xnn_status_success) {
			p->failed = i;
			return status;
		}
	}
	p->generation = m->generation;
	return 0;
}

int yfv_bind(yfv_program *p, yfv_memory *m, size_t floats) {
	p->arena_bytes = floats * sizeof(float);
	p->memory = m;
	const int status = yfv_memory_reserve(m, p->arena_bytes, p->workspace_bytes);
	return status != 0 ? status : setup(p);
}

int yfv_run(yfv_program *p, const uint8_t *bgr) {
	yfv_memory *m = p->memory;
	p->failed = 0;
	int status = yfv_memory_reserve(m, p->arena_bytes, p->workspace_bytes); /* it is there, unless another's growth failed */
	if (status == 0 && p->generation != m->generation) status = setup(p);
	if (status != 0) return status;
	for (size_t i = 0; i < p->n; i++) {
		bound_step *b = &p->steps[i];
		if (b->op == NULL) {
			if (b->s.kind < YFV_FILL_Q8) yfv_loop(&b->s, m->arena, bgr);
			else yfv_loop_q8(&b->s, m->arena, bgr);
			continue;
		}
		status = xnn_run_operator(b->op, NULL); /* no pool: on the caller's thread */
		if (status != xnn_status_success) {
			p->failed = i;
			return status;
		}
	}
	return 0;
}

size_t yfv_failed(const yfv_program *p) { return p->failed; }

const float *yfv_arena(const yfv_program *p) { return p->memory->arena; }

void yfv_free(yfv_program *p) {
	if (p == NULL) return;
	for (size_t i = 0; i < p->n; i++)
		if (p->steps[i].op != NULL) xnn_delete_operator(p->steps[i].op);
#if YFV_XNN_RESHAPE
	yfv_weights_free(p->weights);
#endif
	free(p->steps);
	free(p);
}
