// Package model turns detector weights into network graphs: it imports YOLO-FastestV2 weights (PyTorch .pth, ncnn
// .param and .bin), rewrites the network so that engines run it fast, and reads and writes ONNX. It is pure Go and runs
// no network itself.
package model
