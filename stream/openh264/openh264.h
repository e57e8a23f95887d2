// The C side of package openh264: one encoder handle and the few calls that Go makes.
#ifndef YFV_OPENH264_H
#define YFV_OPENH264_H

#include <stdint.h>

typedef struct yfv_h264 yfv_h264;

// yfv_h264_new makes an encoder, or returns NULL and sets *err to the library's code.
yfv_h264 *yfv_h264_new(int w, int h, float fps, int bps, int *err);

// yfv_h264_encode borrows the planes for the call. It returns the library's code; *bytes is 0 for a skipped frame.
int yfv_h264_encode(yfv_h264 *e, const uint8_t *y, const uint8_t *u, const uint8_t *v, int64_t ms, int key,
                    int *bytes, int *is_key);

// yfv_h264_copy writes the access unit of the last encode, as many bytes as that said.
void yfv_h264_copy(const yfv_h264 *e, uint8_t *dst);

int yfv_h264_bitrate(yfv_h264 *e, int bps);
void yfv_h264_free(yfv_h264 *e);
void yfv_h264_version(int *major, int *minor, int *revision);

#endif
