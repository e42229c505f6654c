#include "service/access/access.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void the_table_decides(void **state)
{
    (void)state;
    static const struct {
        struct text role;
        const char *want; /* by action, from ACCESS_NONE: x allows */
    } rows[] = {
        {TEXT(ACCESS_ROLE_OFFICER), "-xxxxxxxx"},
        {TEXT(ACCESS_ROLE_USER), "-x-xxxx--"},
        {TEXT(ACCESS_ROLE_RELEASE), "-------x-"},
        {TEXT(ACCESS_ROLE_READER), "-x-------"},
        {TEXT("key vault crypto officer"), "---------"},
        {TEXT("Owner"), "---------"},
        {TEXT(""), "---------"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        for (int action = ACCESS_NONE; action < ACCESS_ACTION_COUNT; action++) {
            enum verdict want = rows[i].want[action] == 'x' ? VERDICT_ALLOW : VERDICT_DENY;
            assert_int_equal(access_decide(&rows[i].role, 1, (enum access_action)action), want);
        }
    }
}

static void a_courier_stays_a_courier(void **state)
{
    (void)state;
    static const struct text roles[] = {TEXT(ACCESS_ROLE_OFFICER), TEXT(ACCESS_ROLE_RELEASE)};
    for (int action = ACCESS_NONE; action < ACCESS_ACTION_COUNT; action++) {
        enum verdict want = action == ACCESS_KEY_RELEASE ? VERDICT_ALLOW : VERDICT_DENY;
        assert_int_equal(access_decide(roles, 2, (enum access_action)action), want);
    }
}

static void nothing_allows_nothing(void **state)
{
    (void)state;
    struct text officer = TEXT(ACCESS_ROLE_OFFICER);
    assert_int_equal(access_decide(NULL, 0, ACCESS_KEY_READ), VERDICT_DENY);
    assert_int_equal(access_decide(&officer, 1, ACCESS_ACTION_COUNT), VERDICT_DENY);
    assert_int_equal(access_decide(&officer, 1, (enum access_action) - 1), VERDICT_DENY);
    assert_true(access_role_is_known(officer));
    assert_false(access_role_is_known(TEXT("Owner")));
    assert_string_equal(access_action_name(ACCESS_ACTION_COUNT), "none");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_decides),
        cmocka_unit_test(a_courier_stays_a_courier),
        cmocka_unit_test(nothing_allows_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
