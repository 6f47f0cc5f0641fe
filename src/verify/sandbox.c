/* sandbox.c - see sandbox.h. Three processes: the caller, a keeper that makes the namespaces and is the first process in that of
 * processes, and the program. When the keeper ends, everything in its namespace does. Between fork and exec only system
 * calls are made: the caller may have threads. What fails there is told by one byte through a pipe. */
#include "verify/sandbox.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct sandbox_limits sandbox_usual(void) {
    return (struct sandbox_limits){
        .seconds = 5, .memory_bytes = (int64_t)1 << 30, .output_bytes = 1 << 20, .processes = 16};
}

/* ---- inside: what the keeper does before the program ---- */

enum { CLOSE_ON_EXEC = 1 << 2 }; /* of close_range(), which not every libc names */

enum {
    STEP_NAMESPACES = 'n',
    STEP_USER = 'u',
    STEP_MOUNTS = 'm',
    STEP_FILES = 'f',
    STEP_LIMITS = 'l',
    STEP_FILTER = 's',
    STEP_PROGRAM = 'p',
    STEP_FORK = 'k'
};

struct inside {
    const struct sandbox_run *run;
    int input, output, trouble; /* ends of pipes */
    uid_t user;
    gid_t group;
};

static _Noreturn void give_up(const struct inside *inside, char step) {
    ssize_t told = write(inside->trouble, &step, 1);
    (void)told;
    _exit(126);
}

static bool write_file(const char *path, const char *text, size_t bytes, mode_t mode) {
    int file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, mode);
    if (file < 0) return false;
    bool written = true;
    for (size_t at = 0; written && at < bytes;) {
        ssize_t part = write(file, text + at, bytes - at);
        written = part > 0;
        at += written ? (size_t)part : 0;
    }
    close(file);
    return written;
}

static bool write_map(const char *path, unsigned id) {
    char line[64];
    int bytes =
        snprintf(line, sizeof line, "%u %u 1\n", id, id); /* only formats integers: safe after a fork */
    return write_file(path, line, (size_t)bytes, 0);
}

/* Limits do not bind root. A process that has changed its user is not its own any more until it says so. */
static void leave_root(struct inside *inside) {
    enum { NOBODY = 65534 };
    if (inside->user) return;
    if (setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) || setresuid(NOBODY, NOBODY, NOBODY) ||
        prctl(PR_SET_DUMPABLE, 1, 0, 0, 0))
        give_up(inside, STEP_USER);
    inside->user = inside->group = NOBODY;
}

static void enter_namespaces(const struct inside *inside) {
    int spaces = CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS;
    if (unshare(spaces)) give_up(inside, STEP_NAMESPACES);
    (void)write_file("/proc/self/setgroups", "deny", 4, 0);
    if (!write_map("/proc/self/uid_map", inside->user) || !write_map("/proc/self/gid_map", inside->group))
        give_up(inside, STEP_USER);
}

/* Everything read-only; an empty place where secrets usually are; a small one to write to. */
static void arrange_mounts(const struct inside *inside) {
    static const char *const hidden[] = {"/home", "/root",  "/run", "/var", "/tmp",  "/dev/shm",
                                         "/mnt",  "/media", "/srv", "/sys", "/proc", "/dev/pts"};
    struct mount_attr attributes = {.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID};
    unsigned long flags = MS_NOSUID | MS_NODEV;
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL)) give_up(inside, STEP_MOUNTS);
    for (size_t i = 0; i < COUNT_OF(hidden); i++) {
        bool work = !strcmp(hidden[i], "/tmp");
        if (access(hidden[i], F_OK)) continue;
        if (mount("tmpfs", hidden[i], "tmpfs", flags, work ? "size=16m,mode=0700" : "size=4k,mode=0755"))
            give_up(inside, STEP_MOUNTS);
    }
    if (syscall(SYS_mount_setattr, -1, "/", AT_RECURSIVE, &attributes, sizeof attributes))
        give_up(inside, STEP_MOUNTS);
    attributes = (struct mount_attr){.attr_clr = MOUNT_ATTR_RDONLY};
    if (syscall(SYS_mount_setattr, -1, "/tmp", 0, &attributes, sizeof attributes))
        give_up(inside, STEP_MOUNTS);
}

static void place_files(const struct inside *inside) {
    const struct sandbox_run *run = inside->run;
    if (chdir("/tmp")) give_up(inside, STEP_FILES);
    if (run->file && !write_file("program", run->file, run->file_bytes, 0600)) give_up(inside, STEP_FILES);
    if (dup2(inside->input, 0) < 0 || dup2(inside->output, 1) < 0) give_up(inside, STEP_FILES);
    int nothing = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (nothing < 0 || dup2(nothing, 2) < 0) give_up(inside, STEP_FILES);
    /* what the caller left open for its own children is not for this one */
    if (syscall(SYS_close_range, 3, ~0U, CLOSE_ON_EXEC)) give_up(inside, STEP_FILES);
}

static void set_limit(const struct inside *inside, int what, uint64_t most) {
    struct rlimit limit = {most, most};
    if (setrlimit((__rlimit_resource_t)what, &limit)) give_up(inside, STEP_LIMITS);
}

static void set_limits(const struct inside *inside) {
    const struct sandbox_limits *limits = &inside->run->limits;
    set_limit(inside, RLIMIT_CPU, (uint64_t)limits->seconds + 1);
    set_limit(inside, RLIMIT_AS, (uint64_t)limits->memory_bytes);
    set_limit(inside, RLIMIT_FSIZE, 16 << 20);
    set_limit(inside, RLIMIT_NOFILE, 64);
    set_limit(inside, RLIMIT_CORE, 0);
    set_limit(inside, RLIMIT_MEMLOCK, 0);
    set_limit(inside, RLIMIT_NPROC, (uint64_t)limits->processes); /* of this user in this namespace */
}

#define REFUSE(call)                                                                                         \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (call), 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM)

#if defined(__x86_64__)
#define OWN_ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define OWN_ARCHITECTURE AUDIT_ARCH_AARCH64
#else
#define OWN_ARCHITECTURE 0
#endif

static void set_filter(const struct inside *inside) {
    static const struct sock_filter rules[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, OWN_ARCHITECTURE, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 0, 1), /* the other way to call on x86 */
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        REFUSE(SYS_socket),
        REFUSE(SYS_socketpair),
        REFUSE(SYS_ptrace),
        REFUSE(SYS_process_vm_readv),
        REFUSE(SYS_process_vm_writev),
        REFUSE(SYS_mount),
        REFUSE(SYS_umount2),
        REFUSE(SYS_pivot_root),
        REFUSE(SYS_mount_setattr),
        REFUSE(SYS_move_mount),
        REFUSE(SYS_fsopen),
        REFUSE(SYS_open_tree),
        REFUSE(SYS_unshare),
        REFUSE(SYS_setns),
        REFUSE(SYS_bpf),
        REFUSE(SYS_perf_event_open),
        REFUSE(SYS_userfaultfd),
        REFUSE(SYS_keyctl),
        REFUSE(SYS_add_key),
        REFUSE(SYS_request_key),
        REFUSE(SYS_io_uring_setup),
        REFUSE(SYS_io_uring_enter),
        REFUSE(SYS_io_uring_register),
        REFUSE(SYS_init_module),
        REFUSE(SYS_finit_module),
        REFUSE(SYS_kexec_load),
        REFUSE(SYS_open_by_handle_at),
        REFUSE(SYS_quotactl),
        REFUSE(SYS_syslog),
        REFUSE(SYS_reboot),
        REFUSE(SYS_swapon),
        REFUSE(SYS_acct),
        REFUSE(SYS_personality),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {COUNT_OF(rules), (struct sock_filter *)rules};
    if (!OWN_ARCHITECTURE || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0))
        give_up(inside, STEP_FILTER);
}

/* The first process of its namespace: it may not be waited for by anything that it runs. */
static _Noreturn void run_program(const struct inside *inside) {
    static char *const environment[] = {"PATH=/usr/bin:/bin", "HOME=/tmp", "LANG=C.UTF-8",
                                        "PYTHONDONTWRITEBYTECODE=1", NULL};
    static const char *const folders[] = {"/usr/bin/", "/bin/"};
    const char *name = inside->run->arguments[0];
    arrange_mounts(inside);
    place_files(inside);
    set_limits(inside);
    set_filter(inside);
    for (size_t i = 0; i < COUNT_OF(folders); i++) {
        char path[256];
        size_t folder = strlen(folders[i]), bytes = strlen(name);
        if (folder + bytes >= sizeof path) break;
        memcpy(path, folders[i], folder);
        memcpy(path + folder, name, bytes + 1);
        execve(path, (char *const *)inside->run->arguments, environment);
    }
    give_up(inside, STEP_PROGRAM);
}

/* Outside of the new namespace of processes, whose first process is the program. */
static _Noreturn void keep(struct inside *inside) {
    int status;
    setsid(); /* a terminal that controls a session takes what any of its programs types for it */
    leave_root(inside);
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    enter_namespaces(inside);
    pid_t program = fork();
    if (program < 0) give_up(inside, STEP_FORK);
    if (!program) {
        prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
        run_program(inside);
    }
    close(inside->input);
    close(inside->output);
    while (waitpid(program, &status, 0) < 0 && errno == EINTR) continue;
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 255);
}

/* ---- outside ---- */

static const char *step_words(char step) {
    switch (step) {
    case STEP_NAMESPACES: return "the system allows no namespaces to users (unshare)";
    case STEP_USER: return "no user can be mapped into a namespace";
    case STEP_MOUNTS: return "its file system cannot be made read-only";
    case STEP_FILES: return "its files cannot be placed";
    case STEP_LIMITS: return "its limits cannot be set";
    case STEP_FILTER: return "its system calls cannot be filtered";
    case STEP_PROGRAM: return "the program is not installed";
    default: return "no process can be started";
    }
}

struct outside {
    pid_t keeper;
    int input, output, trouble;
    double deadline;
    size_t written;
    char step; /* what failed inside; 0: nothing */
};

static void close_end(int *end) {
    if (*end >= 0) close(*end);
    *end = -1;
}

static void feed(struct outside *outside, const struct sandbox_run *run) {
    ssize_t part = write(outside->input, run->input + outside->written, run->input_bytes - outside->written);
    if (part > 0) outside->written += (size_t)part;
    bool over = part < 0 && errno != EAGAIN && errno != EINTR;
    if (over || outside->written == run->input_bytes) close_end(&outside->input);
}

static void drain(struct outside *outside, const struct sandbox_run *run, struct sandbox_result *result) {
    char piece[4096];
    ssize_t part = read(outside->output, piece, sizeof piece);
    if (!part || (part < 0 && errno != EAGAIN && errno != EINTR)) close_end(&outside->output);
    if (part <= 0) return;
    size_t room = (size_t)run->limits.output_bytes - result->output.bytes;
    buffer_append(&result->output, piece, (size_t)part < room ? (size_t)part : room);
    if ((size_t)part > room) {
        result->cut = true;
        close_end(&outside->output); /* it writes into nothing and is ended by that */
    }
}

/* Until its output is closed or its time is over. */
static void attend(struct outside *outside, const struct sandbox_run *run, struct sandbox_result *result) {
    if (!run->input_bytes) close_end(&outside->input);
    while (outside->output >= 0) {
        struct pollfd ends[2] = {{outside->output, POLLIN, 0}, {outside->input, POLLOUT, 0}};
        double left = outside->deadline - clock_seconds();
        if (left <= 0) {
            result->timed_out = true;
            return;
        }
        if (poll(ends, 2, (int)(left * 1000) + 1) < 0 && errno != EINTR) return;
        if (ends[0].revents) drain(outside, run, result);
        if (outside->input >= 0 && ends[1].revents) feed(outside, run);
    }
}

/* The keeper ends by itself, or is ended with all that it keeps when the time is over. */
static void end_keeper(struct outside *outside, struct sandbox_result *result) {
    int status = 0;
    pid_t ended = 0;
    while (!result->timed_out && !(ended = waitpid(outside->keeper, &status, WNOHANG))) {
        if (clock_seconds() >= outside->deadline) result->timed_out = true;
        usleep(500);
    }
    if (ended != outside->keeper) {
        kill(-outside->keeper, SIGKILL);
        kill(outside->keeper, SIGKILL);
        while (waitpid(outside->keeper, &status, 0) < 0 && errno == EINTR) continue;
    }
    bool exited = WIFEXITED(status) && WEXITSTATUS(status) != 255 && !result->timed_out;
    result->exit_status = exited ? WEXITSTATUS(status) : -1;
    if (read(outside->trouble, &outside->step, 1) != 1) outside->step = 0;
}

static enum status make_pipes(int pipes[3][2]) {
    for (int i = 0; i < 3; i++) pipes[i][0] = pipes[i][1] = -1;
    for (int i = 0; i < 3; i++)
        if (pipe2(pipes[i], O_CLOEXEC)) return fail(STATUS_IO, "no pipe for a program: %s", strerror(errno));
    fcntl(pipes[0][1], F_SETFL, O_NONBLOCK);
    fcntl(pipes[1][0], F_SETFL, O_NONBLOCK);
    fcntl(pipes[2][0], F_SETFL, O_NONBLOCK);
    return STATUS_OK;
}

static enum status start(const struct sandbox_run *run, int pipes[3][2], struct outside *outside) {
    struct inside inside = {run, pipes[0][0], pipes[1][1], pipes[2][1], getuid(), getgid()};
    outside->keeper = fork();
    if (outside->keeper < 0) return fail(STATUS_IO, "no process for a program: %s", strerror(errno));
    if (!outside->keeper) keep(&inside);
    close_end(&pipes[0][0]);
    close_end(&pipes[1][1]);
    close_end(&pipes[2][1]);
    outside->input = pipes[0][1];
    outside->output = pipes[1][0];
    outside->trouble = pipes[2][0];
    pipes[0][1] = pipes[1][0] = pipes[2][0] = -1;
    outside->deadline = clock_seconds() + run->limits.seconds;
    return STATUS_OK;
}

enum status sandbox_run(const struct sandbox_run *run, struct sandbox_result *result) {
    int pipes[3][2];
    struct outside outside = {.input = -1, .output = -1, .trouble = -1};
    struct sigaction ignore = {.sa_handler = SIG_IGN}, before;
    *result =
        (struct sandbox_result){.output.limit = (size_t)run->limits.output_bytes + 4096, .exit_status = -1};
    sigaction(SIGPIPE, &ignore, &before);
    enum status status = make_pipes(pipes);
    if (status == STATUS_OK) status = start(run, pipes, &outside);
    if (status == STATUS_OK) {
        attend(&outside, run, result);
        end_keeper(&outside, result);
        if (outside.step)
            status = fail(STATUS_UNSUPPORTED, "no sandbox for programs: %s", step_words(outside.step));
    }
    sigaction(SIGPIPE, &before, NULL);
    for (int i = 0; i < 3; i++) {
        close_end(&pipes[i][0]);
        close_end(&pipes[i][1]);
    }
    close_end(&outside.input);
    close_end(&outside.output);
    close_end(&outside.trouble);
    if (status == STATUS_OK) status = buffer_check(&result->output, "a program's output");
    if (status != STATUS_OK) buffer_free(&result->output);
    return status;
}
