/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where every vCPU of the bare guest starts, in 64-bit mode, with its number in rdi; and where interrupts and
 * exceptions come in: 256 stubs of STUB_BYTES, which make one frame of them all (struct frame in idt.h).
 */
#define STUB_BYTES  16
#define STACK_SHIFT 14

	.section .start, "ax", @progbits
	.globl	start
start:
	leaq	1(%rdi), %rax
	shlq	$STACK_SHIFT, %rax
	leaq	stacks(%rip), %rsp
	addq	%rax, %rsp
	xorl	%ebp, %ebp
	cld
	call	vcpu_main
1:	cli
	hlt
	jmp	1b

	.text
	.balign	STUB_BYTES
	.globl	interrupt_stubs
interrupt_stubs:
	.set	vector, 0
	.rept	32
	.balign	STUB_BYTES
	/* Exceptions 8, 10 to 14, 17, 21, 29 and 30 bring an error code. */
	.if	!((0x60227d00 >> vector) & 1)
	pushq	$0
	.endif
	pushq	$vector
	jmp	common
	.set	vector, vector + 1
	.endr
	.rept	256 - 32
	.balign	STUB_BYTES
	pushq	$0
	pushq	$vector
	jmp	common
	.set	vector, vector + 1
	.endr

	/* The stack is aligned here: the processor aligns it, then come 16 words. */
common:
	pushq	%rax
	pushq	%rcx
	pushq	%rdx
	pushq	%rsi
	pushq	%rdi
	pushq	%r8
	pushq	%r9
	pushq	%r10
	pushq	%r11
	cld
	movq	%rsp, %rdi
	call	idt_entered
	popq	%r11
	popq	%r10
	popq	%r9
	popq	%r8
	popq	%rdi
	popq	%rsi
	popq	%rdx
	popq	%rcx
	popq	%rax
	addq	$16, %rsp
	iretq

	.bss
	.balign	16
stacks:
	.skip	4 << STACK_SHIFT

	.section .note.GNU-stack, "", @progbits
