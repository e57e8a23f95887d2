//go:build !noxnnpack

#include "weights.h"

#if YFV_XNN_RESHAPE

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* Weights start on a cache line, as XNNPACK's own do. */
#define YFV_ALIGN 64

/*
 * The weights of one operator as XNNPACK has packed them. They are known by what they hold: programs of one model differ in
 * input size only, so that all but the first find theirs here, whichever engine and thread they belong to.
 */
typedef struct packed {
	struct packed *next;
	size_t bytes, users;
	uint64_t hash;
	uint8_t *data;
} packed;

static packed *all; /* guarded by lock, as users is */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

struct yfv_weights {
	struct xnn_weights_cache_provider provider;
	packed *coming; /* reserved for an operator that is being created */
	packed **used;
	size_t n, max;
};

static void free_packed(packed *p) {
	if (p != NULL) free(p->data);
	free(p);
}

/* FNV-1a, of 8 bytes at a time; packed sizes are multiples of 4. */
static uint64_t hash_of(const uint8_t *data, size_t bytes) {
	uint64_t h = 14695981039346656037u, v;
	for (; bytes >= sizeof v; bytes -= sizeof v, data += sizeof v) {
		memcpy(&v, data, sizeof v);
		h = (h ^ v) * 1099511628211u;
	}
	for (; bytes > 0; bytes--) h = (h ^ *data++) * 1099511628211u;
	return h;
}

/* Weights have no names here: a pointer to a kernel says nothing once its owner has freed it. */
static size_t look_up(void *context, const struct xnn_weights_cache_look_up_key *key) {
	(void)context, (void)key;
	return SIZE_MAX;
}

static void *reserve_space(void *context, size_t bytes) {
	yfv_weights *w = context;
	free_packed(w->coming); /* of an operator that was not made in the end */
	w->coming = NULL;
	if (w->n == w->max) {
		const size_t max = w->max * 2 + 16;
		packed **used = realloc(w->used, max * sizeof *used);
		if (used == NULL) return NULL;
		w->used = used;
		w->max = max;
	}
	packed *p = calloc(1, sizeof *p);
	if (p == NULL) return NULL;
	const size_t room = (bytes + XNN_EXTRA_BYTES + YFV_ALIGN - 1) / YFV_ALIGN * YFV_ALIGN;
	p->bytes = bytes;
	p->data = aligned_alloc(YFV_ALIGN, room);
	if (p->data == NULL) {
		free(p);
		return NULL;
	}
	memset(p->data, 0, room); /* what lies beyond the weights may be read */
	w->coming = p;
	return p->data;
}

/* Finds equal weights, or keeps these. An address serves as the offset that XNNPACK wants. */
static size_t look_up_or_insert(void *context, const struct xnn_weights_cache_look_up_key *key, void *data, size_t bytes) {
	yfv_weights *w = context;
	packed *mine = w->coming, *p;
	(void)key;
	if (mine == NULL || mine->data != data || bytes > mine->bytes) return SIZE_MAX;
	w->coming = NULL;
	mine->bytes = bytes;
	mine->hash = hash_of(data, bytes);
	pthread_mutex_lock(&lock);
	for (p = all; p != NULL; p = p->next)
		if (p->hash == mine->hash && p->bytes == bytes && memcmp(p->data, data, bytes) == 0) break;
	if (p == NULL) {
		p = mine;
		p->next = all;
		all = p;
	}
	p->users++;
	pthread_mutex_unlock(&lock);
	if (p != mine) free_packed(mine);
	w->used[w->n++] = p;
	return (size_t)p->data;
}

static bool is_finalized(void *context) {
	(void)context;
	return true;
}

static void *offset_to_addr(void *context, size_t offset) {
	(void)context;
	return (void *)offset;
}

static enum xnn_status delete_cache(void *context) {
	(void)context; /* yfv_weights_free does it */
	return xnn_status_success;
}

yfv_weights *yfv_weights_new(void) {
	yfv_weights *w = calloc(1, sizeof *w);
	if (w == NULL) return NULL;
	w->provider = (struct xnn_weights_cache_provider){w, look_up, reserve_space, look_up_or_insert, is_finalized,
		offset_to_addr, delete_cache};
	return w;
}

xnn_weights_cache_t yfv_weights_cache(yfv_weights *w) { return &w->provider; }

void yfv_weights_free(yfv_weights *w) {
	if (w == NULL) return;
	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < w->n; i++) w->used[i]->users--;
	for (packed **p = &all; *p != NULL;) {
		packed *unused = *p;
		if (unused->users > 0) {
			p = &unused->next;
			continue;
		}
		*p = unused->next;
		free_packed(unused);
	}
	pthread_mutex_unlock(&lock);
	free_packed(w->coming);
	free(w->used);
	free(w);
}

#endif
