//go:build amd64 && !purego

#include "textflag.h"

// Nodes are 64 bits with the threshold from bit 31 up and the column below. Of eight nodes, four in each of a and b, this
// puts the columns into columns and the thresholds into a, both in the order 0, 1, 4, 5, 2, 3, 6, 7.
#define UNPACK(a, b, columns) \
	VSHUFPS $0x88, b, a, columns \
	VPSLLQ  $1, a, a             \
	VPSLLQ  $1, b, b             \
	VSHUFPS $0xDD, b, a, a

// One bit for each value of the row in Y0, at those columns, that is above its threshold. Clobbers Y3.
#define COMPARE(columns, thresholds, bits) \
	VPERMD    Y0, columns, Y3    \
	VPCMPGTD  thresholds, Y3, Y3 \
	VMOVMSKPS Y3, bits

// The position among 16 after four levels: by the table for three of them, by the bit that it names for the fourth.
// Clobbers R10.
#define FOLLOW(bits, more, position) \
	MOVBLZX (R13)(bits*1), R10 \
	MOVL    R10, position      \
	SHRL    $5, position       \
	BTL     R10, more          \
	ADCL    position, position

// From the position at depth 4 of the tree at SI to the leaf, in R11. The nodes of each level are contiguous. Clobbers
// R8, R9, R12, Y1, Y2, Y4.
#define DESCEND \
	LEAQ        16(R11), R12            \
	VMOVDDUP    (SI)(R12*8), X1         \
	SHLQ        $4, R12                 \
	VINSERTI128 $1, (SI)(R12*1), Y1, Y1 \
	VMOVDQU     (SI)(R12*2), Y2         \
	UNPACK(Y1, Y2, Y4)                  \
	COMPARE(Y4, Y1, R8)                 \
	VMOVDQU     (SI)(R12*4), Y1         \
	VMOVDQU     32(SI)(R12*4), Y2       \
	UNPACK(Y1, Y2, Y4)                  \
	COMPARE(Y4, Y1, R9)                 \
	FOLLOW(R8, R9, R12)                 \
	SHLL        $4, R11                 \
	ADDL        R12, R11

// func pathSumAVX2(nodes *int64, leaves *uint16, path *float64, values *registerRow, table *[256]uint8, trees int) float64
TEXT ·pathSumAVX2(SB), NOSPLIT, $0-56
	MOVQ    nodes+0(FP), SI
	MOVQ    leaves+8(FP), DX
	MOVQ    path+16(FP), BX
	MOVQ    values+24(FP), AX
	MOVQ    table+32(FP), R13
	MOVQ    trees+40(FP), CX
	VMOVDQU (AX), Y0
	VXORPD  X5, X5, X5

tree:
	VMOVDQU (SI), Y1
	VMOVDQU 32(SI), Y2
	UNPACK(Y1, Y2, Y4)
	COMPARE(Y4, Y1, R8)
	VMOVDQU 64(SI), Y1
	VMOVDQU 96(SI), Y2
	UNPACK(Y1, Y2, Y4)
	COMPARE(Y4, Y1, R9)
	FOLLOW(R8, R9, R11)
	DESCEND
	MOVWLZX (DX)(R11*2), R11
	VADDSD  (BX)(R11*8), X5, X5
	ADDQ    $2048, SI
	ADDQ    $512, DX
	DECQ    CX
	JNZ     tree

	VMOVSD X5, ret+48(FP)
	VZEROUPPER
	RET

// func addTreeAVX2(nodes *int64, leaves *uint16, path *float64, values *registerRow, table *[256]uint8, sums []float64)
TEXT ·addTreeAVX2(SB), NOSPLIT, $0-64
	MOVQ    nodes+0(FP), SI
	MOVQ    leaves+8(FP), DX
	MOVQ    path+16(FP), BX
	MOVQ    values+24(FP), AX
	MOVQ    table+32(FP), R13
	MOVQ    sums_base+40(FP), DI
	MOVQ    sums_len+48(FP), CX
	TESTQ   CX, CX
	JZ      done
	VMOVDQU (SI), Y6
	VMOVDQU 32(SI), Y2
	UNPACK(Y6, Y2, Y7)
	VMOVDQU 64(SI), Y8
	VMOVDQU 96(SI), Y2
	UNPACK(Y8, Y2, Y9)

row:
	VMOVDQU (AX), Y0
	COMPARE(Y7, Y6, R8)
	COMPARE(Y9, Y8, R9)
	FOLLOW(R8, R9, R11)
	DESCEND
	MOVWLZX (DX)(R11*2), R11
	VMOVSD  (DI), X3
	VADDSD  (BX)(R11*8), X3, X3
	VMOVSD  X3, (DI)
	ADDQ    $32, AX
	ADDQ    $8, DI
	DECQ    CX
	JNZ     row

done:
	VZEROUPPER
	RET
