#include "vpx.h"

#include <stdlib.h>
#include <vpx/vp8cx.h>
#include <vpx/vpx_encoder.h>

struct yfv_vp8 {
	vpx_codec_ctx_t ctx;
	vpx_codec_enc_cfg_t cfg;
};

// kbit rounds up: 0 would be taken for "choose one".
static unsigned kbit(int bps) { return (unsigned)(bps / 1000 + (bps % 1000 != 0)); }

static void fill(vpx_codec_enc_cfg_t *c, int w, int h, int bps) {
	c->g_w = (unsigned)w;
	c->g_h = (unsigned)h;
	c->g_threads = 1;
	c->g_timebase.num = 1;
	c->g_timebase.den = 90000;
	c->g_error_resilient = 0; // lost packets are sent again, or a key picture is asked for
	c->g_pass = VPX_RC_ONE_PASS;
	c->g_lag_in_frames = 0; // one frame in, one unit out
	c->rc_end_usage = VPX_CBR;
	c->rc_target_bitrate = kbit(bps);
	c->rc_min_quantizer = 2;
	c->rc_max_quantizer = 56; // beyond it a picture is worse than a skipped one
	c->rc_undershoot_pct = 100;
	c->rc_overshoot_pct = 15;
	c->rc_dropframe_thresh = 30; // percent of the buffer's optimal fill, below which frames are skipped
	c->rc_resize_allowed = 0;
	c->rc_buf_sz = 600; // ms of the bitrate: what a burst may hold back
	c->rc_buf_initial_sz = 400;
	c->rc_buf_optimal_sz = 500;
	c->kf_mode = VPX_KF_DISABLED; // key pictures on demand only
}

static int set(vpx_codec_ctx_t *x, int cpu_used, int max_intra_pct) {
	int rc = vpx_codec_control(x, VP8E_SET_CPUUSED, cpu_used);
	if (rc == 0) rc = vpx_codec_control(x, VP8E_SET_STATIC_THRESHOLD, 1u);
	if (rc == 0) rc = vpx_codec_control(x, VP8E_SET_NOISE_SENSITIVITY, 0u);
	if (rc == 0) rc = vpx_codec_control(x, VP8E_SET_ENABLEAUTOALTREF, 0u);
	if (rc == 0) rc = vpx_codec_control(x, VP8E_SET_TOKEN_PARTITIONS, (int)VP8_ONE_TOKENPARTITION);
	if (rc == 0) rc = vpx_codec_control(x, VP8E_SET_MAX_INTRA_BITRATE_PCT, (unsigned)max_intra_pct);
	return rc;
}

yfv_vp8 *yfv_vp8_new(int w, int h, int bps, int cpu_used, int max_intra_pct, int *err) {
	yfv_vp8 *e = calloc(1, sizeof *e);
	if (e == NULL) {
		*err = VPX_CODEC_MEM_ERROR;
		return NULL;
	}
	*err = vpx_codec_enc_config_default(vpx_codec_vp8_cx(), &e->cfg, 0);
	if (*err == 0) {
		fill(&e->cfg, w, h, bps);
		*err = vpx_codec_enc_init(&e->ctx, vpx_codec_vp8_cx(), &e->cfg, 0);
	}
	if (*err != 0) { // nothing of ctx is left open
		free(e);
		return NULL;
	}
	*err = set(&e->ctx, cpu_used, max_intra_pct);
	if (*err != 0) {
		yfv_vp8_free(e);
		return NULL;
	}
	return e;
}

int yfv_vp8_encode(yfv_vp8 *e, const uint8_t *y, const uint8_t *u, const uint8_t *v, int64_t pts, int64_t duration, int key,
                   const uint8_t **data, int *bytes, int *is_key) {
	*data = NULL;
	*bytes = *is_key = 0;
	unsigned w = e->cfg.g_w, h = e->cfg.g_h;
	vpx_image_t img;
	if (vpx_img_wrap(&img, VPX_IMG_FMT_I420, w, h, 1, (uint8_t *)y) == NULL) return VPX_CODEC_INVALID_PARAM; // it reads only
	img.planes[VPX_PLANE_Y] = (uint8_t *)y;
	img.planes[VPX_PLANE_U] = (uint8_t *)u;
	img.planes[VPX_PLANE_V] = (uint8_t *)v;
	img.stride[VPX_PLANE_Y] = (int)w;
	img.stride[VPX_PLANE_U] = img.stride[VPX_PLANE_V] = (int)w / 2;
	int rc = vpx_codec_encode(&e->ctx, &img, pts, (unsigned long)duration, key ? VPX_EFLAG_FORCE_KF : 0, VPX_DL_REALTIME);
	if (rc != 0) return rc;
	vpx_codec_iter_t at = NULL;
	for (const vpx_codec_cx_pkt_t *p; (p = vpx_codec_get_cx_data(&e->ctx, &at)) != NULL;) {
		if (p->kind != VPX_CODEC_CX_FRAME_PKT || p->data.frame.sz == 0) continue;
		*data = p->data.frame.buf;
		*bytes = (int)p->data.frame.sz;
		*is_key = (p->data.frame.flags & VPX_FRAME_IS_KEY) != 0;
	}
	return 0;
}

int yfv_vp8_bitrate(yfv_vp8 *e, int bps) {
	e->cfg.rc_target_bitrate = kbit(bps);
	return vpx_codec_enc_config_set(&e->ctx, &e->cfg);
}

void yfv_vp8_free(yfv_vp8 *e) {
	if (e == NULL) return;
	vpx_codec_destroy(&e->ctx);
	free(e);
}
