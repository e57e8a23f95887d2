package avdec

// Limited is New with other limits.
var Limited = limited
