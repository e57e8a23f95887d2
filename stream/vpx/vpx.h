// The C side of package vpx: one encoder handle and the few calls that Go makes.
#ifndef YFV_VPX_H
#define YFV_VPX_H

#include <stdint.h>

typedef struct yfv_vp8 yfv_vp8;

// yfv_vp8_new makes an encoder, or returns NULL and sets *err to the library's code. cpu_used is VP8E_SET_CPUUSED.
yfv_vp8 *yfv_vp8_new(int w, int h, int bps, int cpu_used, int max_intra_pct, int *err);

// yfv_vp8_encode borrows the planes for the call; pts and duration are 1/90000 s. It returns the library's code; *bytes is
// 0 for a skipped frame, and *data points into the encoder's memory until the next call.
int yfv_vp8_encode(yfv_vp8 *e, const uint8_t *y, const uint8_t *u, const uint8_t *v, int64_t pts, int64_t duration, int key,
                   const uint8_t **data, int *bytes, int *is_key);

int yfv_vp8_bitrate(yfv_vp8 *e, int bps);
void yfv_vp8_free(yfv_vp8 *e);

#endif
