// Package infer turns the raw heads of a YOLO-FastestV2 network into boxes: letterbox geometry, head decoding,
// non-maximum suppression, and the pool of engines that all cameras share. It is pure Go; engines live beside it.
package infer
