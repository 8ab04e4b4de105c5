/* SPDX-License-Identifier: BSD-3-Clause */
/* The bare guest's flat image as a part of the VM. BARE_IMAGE: its file. */
	.section .rodata
	.globl	bare_image
	.globl	bare_image_end
bare_image:
	.incbin	BARE_IMAGE
bare_image_end:
	.byte	0

	.section .note.GNU-stack, "", @progbits
