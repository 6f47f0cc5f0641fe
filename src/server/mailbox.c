/* mailbox.c - a list under a lock, and an eventfd that makes the base look at it. */
#include "server/mailbox.h"

#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct mailbox {
    pthread_mutex_t lock;
    struct mail *first, **end;
    int wake; /* eventfd */
    struct event *event;
    mail_deliver *deliver;
    void *context;
};

static void on_wake(evutil_socket_t wake, short what, void *context) {
    eventfd_t count;
    (void)what;
    (void)eventfd_read(wake, &count);
    mailbox_deliver(context);
}

static enum status open_wake(struct mailbox *mailbox, struct event_base *base) {
    mailbox->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (mailbox->wake < 0) return fail(STATUS_IO, "no eventfd for the server: %s", strerror(errno));
    mailbox->event = event_new(base, mailbox->wake, EV_READ | EV_PERSIST, on_wake, mailbox);
    if (!mailbox->event || event_add(mailbox->event, NULL))
        return fail(STATUS_MEMORY, "out of memory for an event of the server");
    return STATUS_OK;
}

enum status mailbox_open(struct mailbox **mailbox, struct event_base *base, mail_deliver *deliver,
                         void *context) {
    struct mailbox *opened = calloc(1, sizeof *opened);
    *mailbox = NULL;
    if (!opened) return fail(STATUS_MEMORY, "out of memory for the server's queue");
    pthread_mutex_init(&opened->lock, NULL);
    opened->end = &opened->first;
    opened->deliver = deliver;
    opened->context = context;
    enum status status = open_wake(opened, base);
    if (status == STATUS_OK)
        *mailbox = opened;
    else
        mailbox_close(opened);
    return status;
}

static struct mail *take_all(struct mailbox *mailbox) {
    pthread_mutex_lock(&mailbox->lock);
    struct mail *first = mailbox->first;
    mailbox->first = NULL;
    mailbox->end = &mailbox->first;
    pthread_mutex_unlock(&mailbox->lock);
    return first;
}

void mailbox_close(struct mailbox *mailbox) {
    if (!mailbox) return;
    for (struct mail *mail = take_all(mailbox), *next; mail; mail = next) {
        next = mail->next;
        free(mail);
    }
    if (mailbox->event) event_free(mailbox->event);
    if (mailbox->wake >= 0) close(mailbox->wake);
    pthread_mutex_destroy(&mailbox->lock);
    free(mailbox);
}

struct mail *mail_reserve(void) {
    return malloc(sizeof(struct mail) + MAIL_SENTENCE + 1);
}

static struct mail *copy_event(void *context, const struct service_event *event, struct mail *last) {
    const struct piece *piece = event->kind == SERVICE_PIECE ? event->piece : NULL;
    const char *text = piece ? piece->text : event->kind == SERVICE_END ? event->message : "";
    size_t bytes = piece ? piece->bytes : strnlen(text, MAIL_SENTENCE);
    struct mail *mail = event->kind == SERVICE_END ? last : malloc(sizeof *mail + bytes + 1);
    if (!mail) return NULL;
    *mail = (struct mail){.context = context,
                          .request = event->request,
                          .kind = event->kind,
                          .choice_index = event->choice,
                          .finish = event->finish,
                          .stop = event->stop,
                          .status = event->status,
                          .bytes = bytes};
    mail->has_choice = piece && piece->choice;
    if (mail->has_choice) mail->choice = *piece->choice;
    if (event->usage) mail->usage = *event->usage;
    if (bytes) memcpy(mail->text, text, bytes);
    mail->text[bytes] = '\0';
    return mail;
}

bool mailbox_push(struct mailbox *mailbox, void *context, const struct service_event *event,
                  struct mail *last) {
    struct mail *mail = copy_event(context, event, last);
    if (!mail) return false;
    pthread_mutex_lock(&mailbox->lock);
    bool was_empty = !mailbox->first;
    *mailbox->end = mail;
    mailbox->end = &mail->next;
    pthread_mutex_unlock(&mailbox->lock);
    if (was_empty) (void)eventfd_write(mailbox->wake, 1);
    return true;
}

void mailbox_deliver(struct mailbox *mailbox) {
    for (struct mail *mail = take_all(mailbox), *next; mail; mail = next) {
        next = mail->next;
        mailbox->deliver(mailbox->context, mail);
        free(mail);
    }
}
