/* Plans of memory nodes from made-up folders: which nodes count, which worker belongs to which, and that no content of
 * such a folder does harm. */
#include "base/node_memory.h"
#include "base/nodes.h"
#include "base/thread_pool.h"
#include "support/node_tree.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct scratch scratch;
static struct node_plan plan; /* too large for the stack of a test */
static int trees;

static const char *tree(const char *online, const struct made_node *node, int nodes) {
    char name[32];
    snprintf(name, sizeof name, "tree%d", trees++);
    return node_tree_write(&scratch, name, online, node, nodes);
}

static struct number_set set_of(const char *text) {
    struct number_set set;
    assert_true(number_set_parse(&set, text));
    return set;
}

static void must_read(const char *root, const char *allowed, const char *memories, int threads) {
    struct number_set processors, nodes;
    struct node_source source = {.root = root};
    if (allowed) processors = set_of(allowed), source.processors = &processors;
    if (memories) nodes = set_of(memories), source.memories = &nodes;
    if (nodes_read(&plan, &source, threads) != STATUS_OK) fail_msg("%s", status_message());
    assert_int_equal(plan.threads, threads);
}

/* "0:0-11 1:12-23": system's number and workers of each node. */
static void expect_plan(const char *expected) {
    char text[1024] = "";
    for (int i = 0, used = 0; i < plan.nodes; i++)
        used += snprintf(text + used, sizeof text - (size_t)used, "%s%d:%d-%d", i ? " " : "", plan.node[i].id,
                         plan.node[i].worker_begin, plan.node[i].worker_end - 1);
    assert_string_equal(text, expected);
    for (int worker = 0; worker < plan.threads && plan.nodes; worker++) {
        const struct memory_node *node = &plan.node[nodes_of_worker(&plan, worker)];
        assert_true(worker >= node->worker_begin && worker < node->worker_end);
    }
}

static const struct made_node two[] = {
    {0, "0-3,8-11\n", "Node 0 MemTotal:       131923456 kB\n", "10 21\n"},
    {1, "4-7,12-15\n", "Node 1 MemTotal:       131923456 kB\n", "21 10\n"}};

static void sets_are_read(void **state) {
    (void)state;
    static const char *const wrong[] = {"x",
                                        "1,",
                                        ",1",
                                        "1-",
                                        "-1",
                                        "3-1",
                                        "1 2",
                                        "0-3:1/2",
                                        "8192",
                                        "0-99999999",
                                        "99999999999999999999",
                                        "1,,2",
                                        "0x1",
                                        "1-2-3"};
    struct number_set set = set_of("0-3,8,64-65\n");
    assert_int_equal(set.word[0], 0x10f);
    assert_int_equal(set.word[1], 3);
    set = set_of("\n");
    assert_int_equal(set.word[0], 0);
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        if (number_set_parse(&set, wrong[i])) fail_msg("\"%s\" is taken", wrong[i]);
}

static void one_node_has_all_workers(void **state) {
    (void)state;
    const struct made_node one[] = {{0, "0-1\n", NULL, NULL}};
    must_read(tree("0\n", one, 1), NULL, NULL, 2);
    expect_plan("0:0-1");
}

static void workers_follow_processors(void **state) {
    (void)state;
    const char *root = tree("0-1\n", two, 2);
    must_read(root, NULL, NULL, 16);
    expect_plan("0:0-7 1:8-15");
    must_read(root, NULL, NULL, 5);
    expect_plan("0:0-1 1:2-4");
    must_read(root, NULL, NULL, 1); /* a node without workers needs no memory */
    expect_plan("1:0-0");
    must_read(root, "0-3,4", NULL, 5); /* the mask of a container */
    expect_plan("0:0-3 1:4-4");
    must_read(root, "8-11", NULL, 4);
    expect_plan("0:0-3");
    must_read(root, "100", NULL, 4); /* none of the folder's processors */
    expect_plan("");
}

static void numbers_may_have_holes(void **state) {
    (void)state;
    const struct made_node four[] = {
        {0, "0-1", NULL, NULL}, {2, "4-5", NULL, NULL}, {5, "6", NULL, NULL}, {9, "20-22", NULL, NULL}};
    must_read(tree("0,2,5,9\n", four, 4), NULL, NULL, 8);
    expect_plan("0:0-1 2:2-3 5:4-4 9:5-7");
}

/* Processors that were switched off are in no list; a node of memory alone computes nothing. */
static void nodes_without_processors_are_left_out(void **state) {
    (void)state;
    const struct made_node three[] = {{0, "0,2", NULL, NULL}, {1, "\n", NULL, NULL}, {2, "1", NULL, NULL}};
    must_read(tree("0-2", three, 3), NULL, NULL, 3);
    expect_plan("0:0-1 2:2-2");
}

static void processors_without_memory_join_the_nearest(void **state) {
    (void)state;
    const struct made_node bare[] = {{0, "0-1", "Node 0 MemTotal: 1000 kB", "10 40 30"},
                                     {1, "2-3", "Node 1 MemTotal: 1000 kB", "40 10 20"},
                                     {2, "4-7", "Node 2 MemTotal:       0 kB", "30 20 10"}};
    const char *root = tree("0-2", bare, 3);
    must_read(root, NULL, NULL, 8);
    expect_plan("0:0-1 1:2-7");
    assert_true(number_set_has(&plan.node[1].set, 7) && plan.node[1].processors == 6);
    must_read(root, NULL, "0", 8); /* the memory of node 1 is not ours to use */
    expect_plan("0:0-7");
    const struct made_node strange[] = {{0, "0", "Node 0 MemTotal: 5 kB", "10"},
                                        {1, "1", "Node 1 MemTotal: 0 kB", "nonsense"}};
    must_read(tree("0-1", strange, 2), NULL, NULL, 2);
    expect_plan("0:0-1");
}

static void expect_refused(const char *root, const char *sentence) {
    struct node_source source = {.root = root};
    enum status status = nodes_read(&plan, &source, 4);
    if (status == STATUS_OK) fail_msg("%s is taken", root);
    if (!strstr(status_message(), sentence)) fail_msg("\"%s\" lacks \"%s\"", status_message(), sentence);
    struct node_plan *none;
    assert_int_equal(nodes_plan_for(root, 4, &none), status);
    assert_null(none);
}

static void bad_folders_are_refused(void **state) {
    (void)state;
    static char huge[70000], deep[5000];
    const struct made_node shared[] = {{0, "0-3", NULL, NULL}, {1, "3-5", NULL, NULL}};
    const struct made_node absent[] = {{0, "0-3", NULL, NULL}, {1, NULL, NULL, NULL}};
    const struct made_node wild[] = {{0, "0-4294967295", NULL, NULL}};
    memset(huge, '1', sizeof huge - 1);
    memset(deep, 'd', sizeof deep - 1);
    const struct made_node long_list[] = {{0, huge, NULL, NULL}};
    expect_refused("/nowhere/at/all", "/nowhere/at/all/online: cannot be read");
    expect_refused(deep, "too long");
    expect_refused(tree(NULL, two, 2), "online: cannot be read");
    expect_refused(tree("0-1,x\n", two, 2), "no list of numbers");
    expect_refused(tree("0-7000\n", two, 2), "node2/cpulist: cannot be read");
    expect_refused(tree("0-1\n", shared, 2), "processor 3 belongs to another node already");
    expect_refused(tree("0-1\n", absent, 2), "node1/cpulist: cannot be read");
    expect_refused(tree("0\n", wild, 1), "no list of numbers");
    expect_refused(tree("0\n", long_list, 1), "no short text");
}

static void more_nodes_than_any_machine_has(void **state) {
    (void)state;
    static struct made_node many[NODES_MOST + 1];
    static char list[NODES_MOST + 1][8];
    for (int i = 0; i <= NODES_MOST; i++) {
        snprintf(list[i], sizeof list[i], "%d", i);
        many[i] = (struct made_node){i, list[i], NULL, NULL};
    }
    must_read(tree("0-63", many, NODES_MOST), NULL, NULL, 200);
    assert_int_equal(plan.nodes, NODES_MOST);
    expect_refused(tree("0-64", many, NODES_MOST + 1), "more than 64 nodes");
}

static void settings_decide(void **state) {
    (void)state;
    struct node_plan *made;
    assert_int_equal(nodes_plan_for(NULL, 2, &made), STATUS_OK);
    assert_null(made);
    assert_int_equal(nodes_plan_for("off", 2, &made), STATUS_OK);
    assert_null(made);
    assert_int_equal(nodes_plan_for("auto", 2, &made), STATUS_OK); /* whatever this machine has */
    assert_true(!made || made->nodes > 1);
    free(made);
}

/* ---- the real thing, on processors of this machine ---- */

static bool two_processors(char first[16], char second[16]) {
    cpu_set_t set;
    int found = 0;
    if (sched_getaffinity(0, sizeof set, &set)) return false;
    for (int i = 0; i < CPU_SETSIZE && found < 2; i++)
        if (CPU_ISSET(i, &set)) snprintf(found++ ? second : first, 16, "%d", i);
    return found == 2;
}

struct seen {
    const struct node_plan *plan;
    atomic_int wrong, ran;
};

static void look_around(void *context, int worker, int slice, int slices) {
    (void)slice, (void)slices;
    struct seen *seen = context;
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set)) abort();
    for (int i = 0; i < CPU_SETSIZE; i++)
        if (CPU_ISSET(i, &set) &&
            !number_set_has(&seen->plan->node[nodes_of_worker(seen->plan, worker)].set, i))
            atomic_fetch_add(&seen->wrong, 1);
    atomic_fetch_add(&seen->ran, 1);
}

static void workers_stay_on_their_node(void **state) {
    (void)state;
    char first[16], second[16];
    if (!two_processors(first, second)) skip();
    const struct made_node halves[] = {{0, first, NULL, NULL}, {1, second, NULL, NULL}};
    struct node_plan *made;
    struct thread_pool *pool;
    cpu_set_t before, after;
    assert_int_equal(nodes_plan_for(tree("0-1", halves, 2), 5, &made), STATUS_OK);
    assert_non_null(made);
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    assert_int_equal(thread_pool_open(&pool, 5), STATUS_OK);
    thread_pool_place(pool, made);
    struct seen seen = {.plan = made};
    for (int run = 0; run < 50; run++) thread_pool_run(pool, 3, look_around, &seen);
    assert_int_equal(seen.ran, 50 * 15);
    assert_int_equal(seen.wrong, 0);
    thread_pool_close(pool);
    assert_int_equal(sched_getaffinity(0, sizeof after, &after), 0);
    assert_true(CPU_EQUAL(&before, &after)); /* the caller's thread is its own again */
    free(made);
}

/* Nodes that the machine lacks: the system refuses, and the pages are touched instead. */
static void memory_of_nodes_is_zeroed_and_usable(void **state) {
    (void)state;
    enum { BYTES = (5 << 20) + 123 };
    const struct made_node odd[] = {{4000, "0", NULL, NULL}, {4001, "1", NULL, NULL}};
    must_read(tree("4000-4001", odd, 2), NULL, NULL, 2);
    for (int node = NODES_ALL; node < 2; node++) {
        struct node_memory memory;
        assert_int_equal(node_memory_open(&memory, &plan, node, BYTES), STATUS_OK);
        assert_int_equal((uintptr_t)memory.data % (2 << 20), 0);
        for (int i = 0; i < BYTES; i++) assert_int_equal(memory.data[i], 0);
        memset(memory.data, 1, BYTES);
        node_memory_spread(&plan, memory.data, BYTES);
        assert_int_equal(memory.data[BYTES - 1], 1);
        node_memory_close(&memory);
    }
    struct node_memory memory;
    assert_int_equal(node_memory_open(&memory, &plan, 0, INT64_MAX - 5), STATUS_LIMIT);
    node_memory_close(&memory);
}

static int open_scratch(void **state) {
    (void)state;
    scratch_open(&scratch);
    return 0;
}

static int close_scratch(void **state) {
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", scratch.directory);
    return system(command);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sets_are_read),
        cmocka_unit_test(one_node_has_all_workers),
        cmocka_unit_test(workers_follow_processors),
        cmocka_unit_test(numbers_may_have_holes),
        cmocka_unit_test(nodes_without_processors_are_left_out),
        cmocka_unit_test(processors_without_memory_join_the_nearest),
        cmocka_unit_test(bad_folders_are_refused),
        cmocka_unit_test(more_nodes_than_any_machine_has),
        cmocka_unit_test(settings_decide),
        cmocka_unit_test(workers_stay_on_their_node),
        cmocka_unit_test(memory_of_nodes_is_zeroed_and_usable),
    };
    return cmocka_run_group_tests(tests, open_scratch, close_scratch);
}
