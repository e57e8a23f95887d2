//go:build x264 && cgo

#include "x264_yfv.h"

#include <stdlib.h>
#include <string.h>
#include <x264.h>

struct yfv_x264 {
	x264_t *enc;
	x264_param_t param;
	x264_nal_t *nals; // of the last encode; in the encoder's memory
	int count;
	int64_t pts; // counts frames
};

// The buffer in milliseconds of the bitrate: the most that a key picture may take.
#define BUFFER_MS 300

// rate sets bitrate, its maximum and the buffer, in kbit/s and kbit.
static void rate(x264_param_t *p, int bps) {
	int kbit = bps / 1000 + (bps % 1000 != 0);
	p->rc.i_bitrate = kbit;
	p->rc.i_vbv_max_bitrate = kbit;
	p->rc.i_vbv_buffer_size = kbit * BUFFER_MS / 1000 + 1;
}

static int fill(x264_param_t *p, int w, int h, double fps, int bps) {
	if (x264_param_default_preset(p, "ultrafast", "zerolatency") != 0) return -1;
	p->i_log_level = X264_LOG_NONE; // it writes to standard error
	p->i_width = w;
	p->i_height = h;
	p->i_csp = X264_CSP_I420;
	p->i_threads = 1;
	p->b_sliced_threads = 0;
	p->i_fps_num = (uint32_t)(fps * 1000);
	p->i_fps_den = 1000;
	p->b_vfr_input = 0; // with it, a frame is held back until the next one's time is known
	p->i_keyint_max = X264_KEYINT_MAX_INFINITE; // key pictures on demand only
	p->i_scenecut_threshold = 0;
	p->b_repeat_headers = 1;
	p->b_annexb = 1;
	p->rc.i_rc_method = X264_RC_ABR;
	rate(p, bps);
	p->vui.b_fullrange = 0;
	p->vui.i_colorprim = p->vui.i_transfer = p->vui.i_colmatrix = 6; // SMPTE 170M: BT.601
	return x264_param_apply_profile(p, "baseline");
}

yfv_x264 *yfv_x264_new(int w, int h, double fps, int bps) {
	yfv_x264 *e = calloc(1, sizeof *e);
	if (e == NULL) return NULL;
	if (fill(&e->param, w, h, fps, bps) == 0) e->enc = x264_encoder_open(&e->param);
	if (e->enc == NULL) {
		free(e);
		return NULL;
	}
	return e;
}

// Its name and options stand in a SEI of the first picture; nobody reads them.
static int wanted(const x264_nal_t *n) { return n->i_type != NAL_SEI; }

int yfv_x264_encode(yfv_x264 *e, const uint8_t *y, const uint8_t *u, const uint8_t *v, int key, int *is_key) {
	x264_picture_t in, out;
	x264_picture_init(&in);
	in.i_type = key ? X264_TYPE_IDR : X264_TYPE_AUTO;
	in.i_pts = e->pts++;
	in.img.i_csp = X264_CSP_I420;
	in.img.i_plane = 3;
	in.img.plane[0] = (uint8_t *)y; // the library reads only
	in.img.plane[1] = (uint8_t *)u;
	in.img.plane[2] = (uint8_t *)v;
	in.img.i_stride[0] = e->param.i_width;
	in.img.i_stride[1] = in.img.i_stride[2] = e->param.i_width / 2;
	*is_key = e->count = 0;
	if (x264_encoder_encode(e->enc, &e->nals, &e->count, &in, &out) < 0) {
		e->count = 0;
		return -1;
	}
	int n = 0;
	for (int i = 0; i < e->count; i++)
		if (wanted(&e->nals[i])) n += e->nals[i].i_payload;
	*is_key = n > 0 && out.b_keyframe;
	return n;
}

void yfv_x264_copy(const yfv_x264 *e, uint8_t *dst) {
	for (int i = 0; i < e->count; i++) {
		if (!wanted(&e->nals[i])) continue;
		memcpy(dst, e->nals[i].p_payload, (size_t)e->nals[i].i_payload);
		dst += e->nals[i].i_payload;
	}
}

int yfv_x264_bitrate(yfv_x264 *e, int bps) {
	rate(&e->param, bps);
	return x264_encoder_reconfig(e->enc, &e->param);
}

void yfv_x264_free(yfv_x264 *e) {
	if (e == NULL) return;
	x264_encoder_close(e->enc);
	free(e);
}

int yfv_x264_build(void) { return X264_BUILD; }
