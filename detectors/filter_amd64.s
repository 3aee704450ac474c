//go:build amd64 && !purego

#include "textflag.h"

// Writes half - q·x for all rows, 32 at a time, the last 32 once more for what is left: approx[i] is half[i] less the
// products of q[j] and columns[j*rows+i], each rounded before it is subtracted.
//
// func boundAVX2(columns, half, q, approx []float32)
TEXT ·boundAVX2(SB), NOSPLIT, $0-96
	MOVQ columns_base+0(FP), SI
	MOVQ half_base+24(FP), DI
	MOVQ q_base+48(FP), DX
	MOVQ q_len+56(FP), CX
	MOVQ approx_base+72(FP), BX
	MOVQ approx_len+80(FP), R8
	LEAQ (R8*4), R9             // Bytes of a column.
	LEAQ -128(R9), R10          // Where the last 32 rows begin.
	XORQ AX, AX                 // Where these rows begin.

rows:
	VMOVUPS (DI)(AX*1), Y0
	VMOVUPS 32(DI)(AX*1), Y1
	VMOVUPS 64(DI)(AX*1), Y2
	VMOVUPS 96(DI)(AX*1), Y3
	LEAQ    (SI)(AX*1), R11
	XORQ    R12, R12

column:
	VBROADCASTSS (DX)(R12*4), Y8
	VMULPS       (R11), Y8, Y4
	VMULPS       32(R11), Y8, Y5
	VMULPS       64(R11), Y8, Y6
	VMULPS       96(R11), Y8, Y7
	VSUBPS       Y4, Y0, Y0
	VSUBPS       Y5, Y1, Y1
	VSUBPS       Y6, Y2, Y2
	VSUBPS       Y7, Y3, Y3
	ADDQ         R9, R11
	INCQ         R12
	CMPQ         R12, CX
	JNE          column

	VMOVUPS Y0, (BX)(AX*1)
	VMOVUPS Y1, 32(BX)(AX*1)
	VMOVUPS Y2, 64(BX)(AX*1)
	VMOVUPS Y3, 96(BX)(AX*1)
	CMPQ    AX, R10
	JEQ     done
	ADDQ    $128, AX
	CMPQ    AX, R10
	JLS     rows
	MOVQ    R10, AX
	JMP     rows

done:
	VZEROUPPER
	RET
