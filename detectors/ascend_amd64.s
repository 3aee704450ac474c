//go:build amd64 && !purego

#include "textflag.h"

// SSE2, which every amd64 processor has: four columns at a time, and every sum in the order of the Go version.
//
// func ascendSSE2(info *cutInfo, boxes *float32, row []float32, node int, value float64, weight, depths *float64) float64
TEXT ·ascendSSE2(SB), NOSPLIT, $0-80
	MOVQ  info+0(FP), SI
	MOVQ  boxes+8(FP), DI
	MOVQ  row_base+16(FP), R8
	MOVQ  row_len+24(FP), R9
	MOVQ  node+40(FP), AX
	MOVSD value+48(FP), X0
	MOVQ  weight+56(FP), R10
	MOVQ  depths+64(FP), R11
	XORPS X7, X7
	MOVQ  $0x3ff0000000000000, DX // 1.0
	MOVQ  DX, X6

node:
	MOVWQSX (SI)(AX*8), AX // Its parent.
	TESTQ   AX, AX
	JLT     done
	LEAQ    (SI)(AX*8), BX
	MOVWQZX 6(BX), CX
	IMULQ   R9, CX
	LEAQ    (DI)(CX*8), CX // Its box.
	XORPS   X1, X1
	XORQ    DX, DX

columns:
	MOVUPS (R8)(DX*4), X3
	MOVUPS (CX)(DX*8), X4
	MOVUPS 16(CX)(DX*8), X5
	MOVAPS X5, X8
	SUBPS  X4, X8
	SUBPS  X3, X4
	SUBPS  X5, X3
	MAXPS  X7, X4
	MAXPS  X7, X3
	ADDPS  X3, X4

	// Outside in lane 0, sides in lane 2, each (0+1)+(2+3).
	MOVAPS X4, X9
	SHUFPS $0x88, X8, X4
	SHUFPS $0xdd, X8, X9
	ADDPS  X9, X4
	MOVAPS X4, X9
	SHUFPS $0xf5, X9, X9
	ADDPS  X9, X4
	ADDPS  X4, X1
	ADDQ   $4, DX
	CMPQ   DX, R9
	JLT    columns

	UCOMISS  X7, X1
	JEQ      done
	MOVHLPS  X1, X2
	XORPS    X3, X3
	XORPS    X4, X4
	CVTSS2SD X1, X3
	CVTSS2SD X2, X4
	MOVAPD   X3, X5
	ADDSD    X4, X5
	MOVAPD   X6, X8
	DIVSD    X5, X8
	MOVWQZX  2(BX), DX
	MOVSD    (R10)(DX*8), X9
	MOVWQZX  4(BX), DX
	MULSD    (R11)(DX*8), X9
	MULSD    X8, X3
	MULSD    X9, X3
	MULSD    X8, X4
	MULSD    X4, X0
	ADDSD    X3, X0
	JMP      node

done:
	MOVSD X0, ret+72(FP)
	RET
