#include "openh264.h"

#include <stdlib.h>
#include <string.h>
#include <wels/codec_api.h>

struct yfv_h264 {
	ISVCEncoder *enc;
	SFrameBSInfo out; // points into the encoder's memory until the next encode
	int w, h;
};

// A bitrate that is allowed to burst: key pictures are larger than the mean, and a tight maximum makes them skip.
static int max_bitrate(int bps) { return bps > 1000000000 / 2 ? bps : bps * 2; }

static void fill(SEncParamExt *p, int w, int h, float fps, int bps) {
	p->iUsageType = CAMERA_VIDEO_REAL_TIME;
	p->iPicWidth = w;
	p->iPicHeight = h;
	p->fMaxFrameRate = fps;
	p->iTargetBitrate = bps;
	p->iMaxBitrate = max_bitrate(bps);
	p->iRCMode = RC_BITRATE_MODE;
	p->bEnableFrameSkip = true;
	p->iComplexityMode = LOW_COMPLEXITY;
	p->iMultipleThreadIdc = 1; // 1 is "no threads"; 0 would be one per core
	p->iNumRefFrame = 1;
	p->uiIntraPeriod = 0; // key pictures on demand only
	p->eSpsPpsIdStrategy = CONSTANT_ID;
	p->iEntropyCodingModeFlag = 0; // CAVLC: constrained baseline
	p->iTemporalLayerNum = 1;
	p->iSpatialLayerNum = 1;
	p->bPrefixNalAddingCtrl = false;
	p->bEnableLongTermReference = false;
	p->bEnableDenoise = false;
	p->bEnableBackgroundDetection = false;
	p->bEnableAdaptiveQuant = false;
	p->bEnableSceneChangeDetect = false; // it answers a cut with a key picture that nobody asked for
	p->bEnableFrameCroppingFlag = true;  // sides that are not multiples of 16

	SSpatialLayerConfig *l = &p->sSpatialLayers[0];
	l->iVideoWidth = w;
	l->iVideoHeight = h;
	l->fFrameRate = fps;
	l->iSpatialBitrate = bps;
	l->iMaxSpatialBitrate = max_bitrate(bps);
	l->uiProfileIdc = PRO_BASELINE;
	l->uiLevelIdc = LEVEL_UNKNOWN; // the least that holds the size and rate
	l->sSliceArgument.uiSliceMode = SM_SINGLE_SLICE;
	l->bVideoSignalTypePresent = true;
	l->uiVideoFormat = VF_UNDEF;
	l->bFullRange = false;
	l->bColorDescriptionPresent = true;
	l->uiColorPrimaries = CP_SMPTE170M;
	l->uiTransferCharacteristics = TRC_SMPTE170M;
	l->uiColorMatrix = CM_SMPTE170M; // BT.601
}

static int start(yfv_h264 *e, int w, int h, float fps, int bps) {
	SEncParamExt p;
	int rc = (*e->enc)->GetDefaultParams(e->enc, &p);
	if (rc != cmResultSuccess) return rc;
	fill(&p, w, h, fps, bps);
	int level = WELS_LOG_QUIET; // it writes to standard error; the codes that it returns are enough
	(*e->enc)->SetOption(e->enc, ENCODER_OPTION_TRACE_LEVEL, &level);
	rc = (*e->enc)->InitializeExt(e->enc, &p);
	if (rc != cmResultSuccess) return rc;
	int format = videoFormatI420;
	return (*e->enc)->SetOption(e->enc, ENCODER_OPTION_DATAFORMAT, &format);
}

yfv_h264 *yfv_h264_new(int w, int h, float fps, int bps, int *err) {
	yfv_h264 *e = calloc(1, sizeof *e);
	if (e == NULL) {
		*err = cmMallocMemeError;
		return NULL;
	}
	*err = WelsCreateSVCEncoder(&e->enc);
	if (*err == 0 && e->enc == NULL) *err = cmMallocMemeError;
	if (*err != 0) {
		free(e);
		return NULL;
	}
	e->w = w;
	e->h = h;
	*err = start(e, w, h, fps, bps);
	if (*err != cmResultSuccess) {
		yfv_h264_free(e);
		return NULL;
	}
	return e;
}

int yfv_h264_encode(yfv_h264 *e, const uint8_t *y, const uint8_t *u, const uint8_t *v, int64_t ms, int key,
                    int *bytes, int *is_key) {
	*bytes = *is_key = 0;
	if (key) {
		int rc = (*e->enc)->ForceIntraFrame(e->enc, true);
		if (rc != cmResultSuccess) return rc;
	}
	SSourcePicture pic;
	memset(&pic, 0, sizeof pic);
	pic.iColorFormat = videoFormatI420;
	pic.iPicWidth = e->w;
	pic.iPicHeight = e->h;
	pic.iStride[0] = e->w;
	pic.iStride[1] = pic.iStride[2] = e->w / 2;
	pic.pData[0] = (uint8_t *)y; // the library reads only
	pic.pData[1] = (uint8_t *)u;
	pic.pData[2] = (uint8_t *)v;
	pic.uiTimeStamp = ms;
	memset(&e->out, 0, sizeof e->out);
	int rc = (*e->enc)->EncodeFrame(e->enc, &pic, &e->out);
	if (rc != cmResultSuccess) return rc;
	if (e->out.eFrameType == videoFrameTypeSkip || e->out.eFrameType == videoFrameTypeInvalid) {
		e->out.iLayerNum = 0;
		return cmResultSuccess;
	}
	for (int i = 0; i < e->out.iLayerNum; i++) {
		const SLayerBSInfo *l = &e->out.sLayerInfo[i];
		for (int n = 0; n < l->iNalCount; n++) *bytes += l->pNalLengthInByte[n];
	}
	*is_key = e->out.eFrameType == videoFrameTypeIDR;
	return cmResultSuccess;
}

void yfv_h264_copy(const yfv_h264 *e, uint8_t *dst) {
	for (int i = 0; i < e->out.iLayerNum; i++) {
		const SLayerBSInfo *l = &e->out.sLayerInfo[i];
		size_t len = 0; // a layer's NAL units lie one after another
		for (int n = 0; n < l->iNalCount; n++) len += l->pNalLengthInByte[n];
		memcpy(dst, l->pBsBuf, len);
		dst += len;
	}
}

// set_max moves the maximum of the stream and of its one layer, which are two values: a target beyond the layer's is refused.
static int set_max(yfv_h264 *e, int bps) {
	SBitrateInfo all = {SPATIAL_LAYER_ALL, bps}, layer = {SPATIAL_LAYER_0, bps};
	int rc = (*e->enc)->SetOption(e->enc, ENCODER_OPTION_MAX_BITRATE, &all);
	if (rc != cmResultSuccess) return rc;
	return (*e->enc)->SetOption(e->enc, ENCODER_OPTION_MAX_BITRATE, &layer);
}

int yfv_h264_bitrate(yfv_h264 *e, int bps) {
	// The library wants target <= maximum at every moment, so the order depends on the direction.
	SBitrateInfo target = {SPATIAL_LAYER_ALL, bps}, now = {SPATIAL_LAYER_ALL, 0};
	int rc = (*e->enc)->GetOption(e->enc, ENCODER_OPTION_BITRATE, &now);
	if (rc != cmResultSuccess) return rc;
	if (bps > now.iBitrate) {
		rc = set_max(e, max_bitrate(bps));
		if (rc != cmResultSuccess) return rc;
		return (*e->enc)->SetOption(e->enc, ENCODER_OPTION_BITRATE, &target);
	}
	rc = (*e->enc)->SetOption(e->enc, ENCODER_OPTION_BITRATE, &target);
	if (rc != cmResultSuccess) return rc;
	return set_max(e, max_bitrate(bps));
}

void yfv_h264_free(yfv_h264 *e) {
	if (e == NULL) return;
	(*e->enc)->Uninitialize(e->enc);
	WelsDestroySVCEncoder(e->enc);
	free(e);
}

void yfv_h264_version(int *major, int *minor, int *revision) {
	OpenH264Version v;
	WelsGetCodecVersionEx(&v);
	*major = v.uMajor;
	*minor = v.uMinor;
	*revision = v.uRevision;
}
