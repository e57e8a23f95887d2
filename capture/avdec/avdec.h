// The C side of package avdec: one libavcodec decoder and the few calls that Go makes. Only what FFmpeg 5.1 and 7.1 share.
#ifndef YFV_AVDEC_H
#define YFV_AVDEC_H

#include <stdint.h>

typedef struct yfv_avdec yfv_avdec;

enum { YFV_H264, YFV_H265, YFV_JPEG };

// What a call found, beside libavcodec's negative codes.
enum { YFV_OK, YFV_NONE, YFV_END };

enum { YFV_DAMAGED = 1, YFV_UNRECOVERED = 2 };

// A decoded picture; the planes belong to the decoder until the next call.
typedef struct {
	int64_t tag;
	int flags;
	int w, h;
	const uint8_t *plane[3];
	int stride[3];
	const char *format;
	int planes, shift_x, shift_y, depth, big_endian, rgb, alpha;
	int full;   // full range
	int matrix; // as in H.264 table E-5
} yfv_picture;

// yfv_avdec_new makes a decoder of pictures up to max_pixels that holds at most max_bytes of them, or returns NULL and sets
// *err.
yfv_avdec *yfv_avdec_new(int codec, int64_t max_pixels, int64_t max_bytes, int *err);

// yfv_avdec_send copies a coded picture in; with no data it begins to drain.
int yfv_avdec_send(yfv_avdec *d, const uint8_t *data, int len, int64_t tag);

// yfv_avdec_receive gives the next picture, YFV_NONE, or YFV_END after which the decoder is as new.
int yfv_avdec_receive(yfv_avdec *d, yfv_picture *p);

// yfv_avdec_release lets go of the received picture.
void yfv_avdec_release(yfv_avdec *d);

void yfv_avdec_flush(yfv_avdec *d);

// yfv_avdec_skip leaves pictures out: 0 none, 1 those that no other needs, 2 all but key pictures.
void yfv_avdec_skip(yfv_avdec *d, int level);

// yfv_avdec_strict sets whether faults that can be played over are errors; they are at first.
void yfv_avdec_strict(yfv_avdec *d, int on);

// yfv_avdec_delay is how many pictures the decoder keeps to put them in order.
int yfv_avdec_delay(const yfv_avdec *d);

void yfv_avdec_free(yfv_avdec *d);

// yfv_avdec_error writes what a code means.
void yfv_avdec_error(int code, char *buf, int len);

// yfv_avdec_version is libavcodec's, as one number.
unsigned yfv_avdec_version(void);

#endif
