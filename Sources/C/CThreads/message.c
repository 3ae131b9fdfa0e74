#include "quern_threads.h"

static _Thread_local char message[QUERN_MESSAGE_CAPACITY];

char *quern_thread_message(void) { return message; }
