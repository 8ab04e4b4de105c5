/* SPDX-License-Identifier: BSD-3-Clause */
/* Posting a note: ownership goes to the mailbox, or ends here if that is closed. */
#include "session/note.h"

#include <stdlib.h>

void note_post(struct queue *mailbox, struct note *note)
{
	if (queue_push(mailbox, note))
		note_free(note);
}

void note_free(struct note *note)
{
	if (note->type != NOTE_MESSAGE)
		return;
	sem_post(note->room);
	free(note->message);
	free(note);
}

void note_drop_all(struct queue *mailbox)
{
	struct note *note;

	while ((note = queue_pop(mailbox)))
		note_free(note);
}
