// Package v4l2m2m encodes I420 frames to H.264 constrained baseline with the machine's own encoder, by the kernel's memory-to-
// memory interface (V4L2, multi-planar), as the Raspberry Pi 4 has it in /dev/video11.
//
// It was not tried on hardware. It is written by the kernel's documentation of the interface and by the source of the
// Raspberry Pi's driver (bcm2835-codec), and tested with a model of that driver which holds frames to its rules for formats,
// buffers, controls and queues, and which hangs and fails where a test wants it to.
package v4l2m2m
