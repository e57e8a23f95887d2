// The C side of package x264: one encoder handle and the few calls that Go makes.
#ifndef YFV_X264_H
#define YFV_X264_H

#include <stdint.h>

typedef struct yfv_x264 yfv_x264;

// yfv_x264_new makes an encoder, NULL if it cannot; the library does not say why.
yfv_x264 *yfv_x264_new(int w, int h, double fps, int bps);

// yfv_x264_encode borrows the planes for the call. It returns the access unit's bytes, less than 0 if it fails.
int yfv_x264_encode(yfv_x264 *e, const uint8_t *y, const uint8_t *u, const uint8_t *v, int key, int *is_key);

// yfv_x264_copy writes the access unit of the last encode, as many bytes as that said.
void yfv_x264_copy(const yfv_x264 *e, uint8_t *dst);

// yfv_x264_bitrate returns 0 if it went well.
int yfv_x264_bitrate(yfv_x264 *e, int bps);
void yfv_x264_free(yfv_x264 *e);

// yfv_x264_build is the version of the library's interface.
int yfv_x264_build(void);

#endif
