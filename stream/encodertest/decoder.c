#include "decoder.h"

#include <libavcodec/avcodec.h>
#include <libavutil/imgutils.h>
#include <stdlib.h>

struct yfv_testdec {
	AVCodecContext *ctx;
	AVFrame *frame;
	AVPacket *pkt;
};

yfv_testdec *yfv_testdec_new(int vp8) {
	const AVCodec *codec = avcodec_find_decoder(vp8 ? AV_CODEC_ID_VP8 : AV_CODEC_ID_H264);
	yfv_testdec *d = calloc(1, sizeof *d);
	if (codec == NULL || d == NULL) {
		free(d);
		return NULL;
	}
	d->ctx = avcodec_alloc_context3(codec);
	d->frame = av_frame_alloc();
	d->pkt = av_packet_alloc();
	if (d->ctx != NULL) {
		d->ctx->thread_count = 1;
		d->ctx->flags |= AV_CODEC_FLAG_LOW_DELAY; // a picture comes out with its unit
		d->ctx->err_recognition = AV_EF_EXPLODE;
	}
	if (d->ctx == NULL || d->frame == NULL || d->pkt == NULL || avcodec_open2(d->ctx, codec, NULL) < 0) {
		yfv_testdec_free(d);
		return NULL;
	}
	return d;
}

int yfv_testdec_decode(yfv_testdec *d, const uint8_t *data, int len, yfv_picture *p) {
	av_frame_unref(d->frame);
	int rc = av_new_packet(d->pkt, len); // with the padding that decoders read into
	if (rc < 0) return rc;
	memcpy(d->pkt->data, data, len);
	rc = avcodec_send_packet(d->ctx, d->pkt);
	av_packet_unref(d->pkt);
	if (rc < 0) return rc;
	rc = avcodec_receive_frame(d->ctx, d->frame);
	if (rc < 0) return rc;
	if (d->frame->decode_error_flags != 0 || (d->frame->flags & AV_FRAME_FLAG_CORRUPT)) return AVERROR_INVALIDDATA;
	if (d->frame->format != AV_PIX_FMT_YUV420P && d->frame->format != AV_PIX_FMT_YUVJ420P) return AVERROR_PATCHWELCOME;
	p->w = d->frame->width;
	p->h = d->frame->height;
	p->type = av_get_picture_type_char(d->frame->pict_type);
	p->full_range = d->frame->color_range == AVCOL_RANGE_JPEG;
	p->matrix = d->frame->colorspace;
	return 0;
}

void yfv_testdec_copy(const yfv_testdec *d, uint8_t *dst) {
	const AVFrame *f = d->frame;
	int n = f->width * f->height * 3 / 2;
	av_image_copy_to_buffer(dst, n, (const uint8_t *const *)f->data, f->linesize, AV_PIX_FMT_YUV420P, f->width, f->height, 1);
}

void yfv_testdec_free(yfv_testdec *d) {
	if (d == NULL) return;
	avcodec_free_context(&d->ctx);
	av_frame_free(&d->frame);
	av_packet_free(&d->pkt);
	free(d);
}
