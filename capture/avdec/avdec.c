#include "avdec.h"

#include <errno.h>
#include <libavcodec/avcodec.h>
#include <libavutil/imgutils.h>
#include <libavutil/pixdesc.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

// Nothing that a decoder says is printed: what it finds wrong it returns. The library's log has no other way to tell whose
// message it is, since some come from helpers of its own; decoders work on the calling thread only. Messages of others who use
// the library, as OpenCV does, go where they went.
static _Thread_local int quiet;

static void speak(void *ctx, int level, const char *format, va_list args) {
	if (!quiet) av_log_default_callback(ctx, level, format, args);
}

static void listen(void) { av_log_set_callback(speak); }

struct yfv_avdec {
	AVCodecContext *ctx;
	AVFrame *frame;
	AVPacket *pkt;
	int64_t max_bytes;
	int64_t bytes; // of pictures held by the decoder or lent; one thread uses them
};

// A buffer of the library's pool on loan, and where to count its return.
typedef struct {
	AVBufferRef *buf;
	yfv_avdec *owner;
} loan;

static void give_back(void *opaque, uint8_t *data) {
	loan *l = opaque;
	(void)data;
	l->owner->bytes -= l->buf->size;
	av_buffer_unref(&l->buf);
	free(l);
}

// Counts a buffer until it is no longer used. On failure the buffer stays as it was.
static int count(yfv_avdec *d, AVBufferRef **buf) {
	if (d->bytes + (int64_t)(*buf)->size > d->max_bytes) return AVERROR(ENOMEM);
	loan *l = malloc(sizeof *l);
	if (l == NULL) return AVERROR(ENOMEM);
	l->buf = *buf;
	l->owner = d;
	AVBufferRef *counted = av_buffer_create((*buf)->data, (*buf)->size, give_back, l, 0);
	if (counted == NULL) {
		free(l);
		return AVERROR(ENOMEM);
	}
	d->bytes += (*buf)->size;
	*buf = counted;
	return 0;
}

static int get_buffer(AVCodecContext *ctx, AVFrame *f, int flags) {
	int rc = avcodec_default_get_buffer2(ctx, f, flags);
	for (int i = 0; rc >= 0 && i < AV_NUM_DATA_POINTERS && f->buf[i] != NULL; i++) rc = count(ctx->opaque, &f->buf[i]);
	if (rc < 0) av_frame_unref(f);
	return rc;
}

static const AVCodec *find(int codec) {
	switch (codec) {
	case YFV_H264: return avcodec_find_decoder(AV_CODEC_ID_H264);
	case YFV_H265: return avcodec_find_decoder(AV_CODEC_ID_HEVC);
	default: return avcodec_find_decoder(AV_CODEC_ID_MJPEG);
	}
}

static int start(yfv_avdec *d, const AVCodec *codec, int64_t max_pixels) {
	AVCodecContext *c = d->ctx = avcodec_alloc_context3(codec);
	d->frame = av_frame_alloc();
	d->pkt = av_packet_alloc();
	if (c == NULL || d->frame == NULL || d->pkt == NULL) return AVERROR(ENOMEM);
	c->opaque = d;
	c->get_buffer2 = get_buffer;
	c->max_pixels = max_pixels;
	c->thread_count = 1;
	c->thread_type = 0;
	// Pictures that refer to lost ones come out too, marked: which of them are fit to be seen is decided in Go.
	c->flags |= AV_CODEC_FLAG_LOW_DELAY | AV_CODEC_FLAG_OUTPUT_CORRUPT | AV_CODEC_FLAG_UNALIGNED;
	c->err_recognition = AV_EF_EXPLODE;
	// The cheapest concealment: what it works on is marked in the picture, and without it missing slices are not.
	c->error_concealment = FF_EC_FAVOR_INTER;
	return avcodec_open2(c, codec, NULL);
}

yfv_avdec *yfv_avdec_new(int codec, int64_t max_pixels, int64_t max_bytes, int *err) {
	const AVCodec *c = find(codec);
	if (c == NULL) {
		*err = AVERROR_DECODER_NOT_FOUND;
		return NULL;
	}
	yfv_avdec *d = calloc(1, sizeof *d);
	if (d == NULL) {
		*err = AVERROR(ENOMEM);
		return NULL;
	}
	d->max_bytes = max_bytes;
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pthread_once(&once, listen);
	quiet = 1;
	*err = start(d, c, max_pixels);
	quiet = 0;
	if (*err < 0) {
		yfv_avdec_free(d);
		return NULL;
	}
	return d;
}

int yfv_avdec_send(yfv_avdec *d, const uint8_t *data, int len, int64_t tag) {
	int rc = 0;
	if (data != NULL) {
		rc = av_new_packet(d->pkt, len); // adds the padding that the parsers read into
		if (rc < 0) return rc;
		memcpy(d->pkt->data, data, len);
		d->pkt->pts = tag;
	}
	quiet = 1;
	rc = avcodec_send_packet(d->ctx, data == NULL ? NULL : d->pkt);
	quiet = 0;
	av_packet_unref(d->pkt);
	return rc;
}

// JPEG is full range unless it says otherwise; libavcodec does not say so of grey ones.
static int full_range(const yfv_avdec *d, const char *format) {
	switch (d->frame->color_range) {
	case AVCOL_RANGE_JPEG: return 1;
	case AVCOL_RANGE_MPEG: return 0;
	default: return d->ctx->codec_id == AV_CODEC_ID_MJPEG || strncmp(format, "yuvj", 4) == 0;
	}
}

static void describe(const yfv_avdec *d, yfv_picture *p) {
	const AVFrame *f = d->frame;
	const AVPixFmtDescriptor *desc = av_pix_fmt_desc_get(f->format);
	memset(p, 0, sizeof *p);
	p->tag = f->pts;
	if (f->decode_error_flags) p->flags |= YFV_DAMAGED;
	if (f->flags & AV_FRAME_FLAG_CORRUPT) p->flags |= YFV_UNRECOVERED;
	p->w = f->width;
	p->h = f->height;
	p->format = desc ? desc->name : "unknown";
	if (desc == NULL) return;
	for (int i = 0; i < 3; i++) {
		p->plane[i] = f->data[i];
		p->stride[i] = f->linesize[i];
	}
	p->planes = av_pix_fmt_count_planes(f->format);
	p->shift_x = desc->log2_chroma_w;
	p->shift_y = desc->log2_chroma_h;
	p->depth = desc->comp[0].depth;
	p->big_endian = !!(desc->flags & AV_PIX_FMT_FLAG_BE);
	p->rgb = !!(desc->flags & (AV_PIX_FMT_FLAG_RGB | AV_PIX_FMT_FLAG_PAL | AV_PIX_FMT_FLAG_HWACCEL | AV_PIX_FMT_FLAG_BITSTREAM));
	p->alpha = !!(desc->flags & AV_PIX_FMT_FLAG_ALPHA);
	p->full = full_range(d, desc->name);
	p->matrix = f->colorspace;
}

void yfv_avdec_flush(yfv_avdec *d) {
	quiet = 1;
	avcodec_flush_buffers(d->ctx);
	quiet = 0;
}

int yfv_avdec_receive(yfv_avdec *d, yfv_picture *p) {
	quiet = 1;
	int rc = avcodec_receive_frame(d->ctx, d->frame);
	quiet = 0;
	if (rc == AVERROR(EAGAIN)) return YFV_NONE;
	if (rc == AVERROR_EOF) {
		yfv_avdec_flush(d);
		return YFV_END;
	}
	if (rc < 0) return rc;
	describe(d, p);
	return YFV_OK;
}

void yfv_avdec_release(yfv_avdec *d) { av_frame_unref(d->frame); }

void yfv_avdec_skip(yfv_avdec *d, int level) {
	d->ctx->skip_frame = level == 0 ? AVDISCARD_DEFAULT : level == 1 ? AVDISCARD_NONREF : AVDISCARD_NONKEY;
}

void yfv_avdec_strict(yfv_avdec *d, int on) { d->ctx->err_recognition = on ? AV_EF_EXPLODE : 0; }

int yfv_avdec_delay(const yfv_avdec *d) { return d->ctx->has_b_frames; }

void yfv_avdec_free(yfv_avdec *d) {
	if (d == NULL) return;
	av_frame_free(&d->frame); // before the context: it may hold a counted buffer
	av_packet_free(&d->pkt);
	avcodec_free_context(&d->ctx);
	free(d);
}

void yfv_avdec_error(int code, char *buf, int len) { av_strerror(code, buf, len); }

unsigned yfv_avdec_version(void) { return avcodec_version(); }
