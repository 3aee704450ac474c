//go:build amd64 && !purego

#include "textflag.h"

// SSE2, which every amd64 processor has. Two slots per register, all sixteen at once; subtraction, product and sum are
// rounded one by one, as float64(d*d) demands of the Go version.
//
// func scanLeaf(values, q []float64, worst float64, distances *[16]float64) uint32
TEXT ·scanLeaf(SB), NOSPLIT, $0-68
	MOVQ  values_base+0(FP), SI
	MOVQ  q_base+24(FP), DI
	MOVQ  q_len+32(FP), CX
	MOVQ  distances+56(FP), DX
	XORPS X0, X0
	XORPS X1, X1
	XORPS X2, X2
	XORPS X3, X3
	XORPS X4, X4
	XORPS X5, X5
	XORPS X6, X6
	XORPS X7, X7

column:
	MOVSD    (DI), X12
	UNPCKLPD X12, X12
	MOVUPD   (SI), X8
	MOVUPD   16(SI), X9
	MOVUPD   32(SI), X10
	MOVUPD   48(SI), X11
	SUBPD    X12, X8
	SUBPD    X12, X9
	SUBPD    X12, X10
	SUBPD    X12, X11
	MULPD    X8, X8
	MULPD    X9, X9
	MULPD    X10, X10
	MULPD    X11, X11
	ADDPD    X8, X0
	ADDPD    X9, X1
	ADDPD    X10, X2
	ADDPD    X11, X3
	MOVUPD   64(SI), X8
	MOVUPD   80(SI), X9
	MOVUPD   96(SI), X10
	MOVUPD   112(SI), X11
	SUBPD    X12, X8
	SUBPD    X12, X9
	SUBPD    X12, X10
	SUBPD    X12, X11
	MULPD    X8, X8
	MULPD    X9, X9
	MULPD    X10, X10
	MULPD    X11, X11
	ADDPD    X8, X4
	ADDPD    X9, X5
	ADDPD    X10, X6
	ADDPD    X11, X7
	ADDQ     $128, SI
	ADDQ     $8, DI
	DECQ     CX
	JNZ      column

	MOVUPD X0, (DX)
	MOVUPD X1, 16(DX)
	MOVUPD X2, 32(DX)
	MOVUPD X3, 48(DX)
	MOVUPD X4, 64(DX)
	MOVUPD X5, 80(DX)
	MOVUPD X6, 96(DX)
	MOVUPD X7, 112(DX)

	// One bit per slot with distance <= worst, which NaN is not.
	MOVSD    worst+48(FP), X12
	UNPCKLPD X12, X12
	CMPPD    X12, X0, $2
	CMPPD    X12, X1, $2
	CMPPD    X12, X2, $2
	CMPPD    X12, X3, $2
	CMPPD    X12, X4, $2
	CMPPD    X12, X5, $2
	CMPPD    X12, X6, $2
	CMPPD    X12, X7, $2
	SHUFPS   $0x88, X1, X0
	SHUFPS   $0x88, X3, X2
	SHUFPS   $0x88, X5, X4
	SHUFPS   $0x88, X7, X6
	PACKSSLW X2, X0
	PACKSSLW X6, X4
	PACKSSWB X4, X0
	PMOVMSKB X0, AX
	MOVL     AX, ret+64(FP)
	RET
