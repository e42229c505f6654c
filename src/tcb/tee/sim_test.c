/* The simulated TEE from making to judging, and every way in which its evidence is refused. */
#include "attest/evidence.h"
#include "attest/judge.h"
#include "attest/report.h"
#include "attest/runtime_data.h"
#include "crypto/certificate.h"
#include "crypto/test_support.h"
#include "tee/measurement.h"
#include "tee/sim_chip.h"
#include "tee/sim_files.h"
#include "tee/sim_init.h"
#include "tee/tee.h"

#include <unistd.h>

static const uint8_t measurement[TEE_MEASUREMENT_BYTES] = {1, 2, 3};
#define RUNTIME TEXT("{\"purpose\":\"test\"}")

struct fixture {
    struct world world;
    struct arena arena;
    char folder[64];
    struct digest pin;
    struct key chip_key;
    struct sim_chip chip;
    struct evidence evidence;
    struct evidence_trust trust;
};

static void remove_simulation(const char *folder)
{
    static const char *const names[] = {SIMULATION_CHIP_KEY, SIMULATION_CHIP_DER, SIMULATION_ROOT_DER};
    for (size_t i = 0; i < 3; i++) {
        char path[256];
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    rmdir(folder);
}

static void make_simulation(struct fixture *fixture)
{
    strcpy(fixture->folder, "/tmp/truce-sim-XXXXXX");
    assert_non_null(mkdtemp(fixture->folder));
    scoped_buffer pem;
    buffer_init(&pem, 65536);
    assert_ok(simulation_make(&fixture->world, fixture->folder, &pem, &fixture->pin));
    assert_true(text_starts_with(buffer_text(&pem), TEXT("-----BEGIN CERTIFICATE-----")));
    assert_why(simulation_make(&fixture->world, fixture->folder, &pem, &fixture->pin), CONFLICT,
               "simulation.exists");
    /* What was interrupted may be made anew, what is finished may not. */
    assert_ok(simulation_begin(fixture->folder));
    assert_ok(simulation_make(&fixture->world, fixture->folder, &pem, &fixture->pin));
    assert_ok(simulation_finish(fixture->folder, bytes_of_text(TEXT("{}"))));
    assert_ok(simulation_begin(fixture->folder));
    assert_why(simulation_make(&fixture->world, fixture->folder, &pem, &fixture->pin), CONFLICT,
               "simulation.exists");
    char path[256];
    snprintf(path, sizeof path, "%s/simulation.json", fixture->folder);
    assert_int_equal(unlink(path), 0);
}

static void read_chip_key(struct fixture *fixture)
{
    char path[256];
    uint8_t octets[4096];
    snprintf(path, sizeof path, "%s/%s", fixture->folder, SIMULATION_CHIP_KEY);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t size = fread(octets, 1, sizeof octets, file);
    fclose(file);
    scoped_secret pkcs8 = {0};
    assert_ok(secret_from((struct bytes){octets, size}, &pkcs8));
    assert_ok(key_from_pkcs8(&pkcs8, &fixture->chip_key));
}

static int open_fixture(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    fixture->world = world_of_system();
    arena_init(&fixture->arena, 16 * 1024 * 1024);
    make_simulation(fixture);
    read_chip_key(fixture);
    assert_ok(sim_chip_open(fixture->folder, BYTES_OF(measurement), &fixture->chip));
    uint8_t report_data[TEE_REPORT_DATA_BYTES];
    runtime_data_bind(bytes_of_text(RUNTIME), report_data);
    assert_ok(sim_chip_collect(&fixture->chip, &fixture->arena, report_data, &fixture->evidence));
    fixture->trust.roots[0] = (struct evidence_root){TEXT("sim"), fixture->pin};
    fixture->trust.root_count = 1;
    *state = fixture;
    return 0;
}

static int close_fixture(void **state)
{
    struct fixture *fixture = *state;
    sim_chip_release(&fixture->chip);
    key_release(&fixture->chip_key);
    arena_release(&fixture->arena);
    remove_simulation(fixture->folder);
    free(fixture);
    return 0;
}

static void judge(struct fixture *fixture, const struct evidence *evidence,
                  const struct evidence_trust *trust, int64_t time, struct evidence_judgement *out)
{
    assert_ok(evidence_judge(&fixture->arena, evidence, bytes_of_text(RUNTIME), trust, time, out));
}

static void assert_only_failure(const struct evidence_judgement *judgement, const char *want)
{
    assert_int_equal(judgement->verdict, VERDICT_DENY);
    assert_null(judgement->claims);
    assert_int_equal(judgement->measurement.size, 0);
    assert_int_equal(judgement->failure_count, 1);
    assert_string_equal(judgement->failures[0], want);
}

static const char *claim(const json_t *claims, const char *name)
{
    const char *text = json_string_value(json_object_get(claims, name));
    assert_non_null(text);
    return text;
}

static void good_evidence_is_allowed(void **state)
{
    struct fixture *fixture = *state;
    scoped_evidence_judgement judgement = {0};
    judge(fixture, &fixture->evidence, &fixture->trust, world_now(&fixture->world), &judgement);
    assert_int_equal(judgement.failure_count, 0);
    assert_int_equal(judgement.verdict, VERDICT_ALLOW);
    assert_true(bytes_equal(judgement.measurement, BYTES_OF(measurement)));
    assert_true(digest_equal(&judgement.root, &fixture->pin));
    struct text pin;
    assert_ok(digest_to_text(&fixture->arena, &fixture->pin, &pin));
    assert_string_equal(claim(judgement.claims, "x-ms-attestation-type"), "sim");
    assert_true(text_is(pin, claim(judgement.claims, "x-truce-simulation-root")));
    assert_int_equal(strlen(claim(judgement.claims, "x-ms-sevsnpvm-launchmeasurement")), 96);
    assert_true(json_is_false(json_object_get(judgement.claims, "x-ms-sevsnpvm-is-debuggable")));
    assert_int_equal(json_object_size(judgement.claims), 19);
}

static void sign_again(const struct fixture *fixture, uint8_t *report)
{
    uint8_t signature[KEY_SIGNATURE_BYTES_MAX];
    size_t size;
    assert_ok(key_sign(&fixture->chip_key, KEY_ES384, (struct bytes){report, REPORT_SIGNED_BYTES}, signature,
                       &size));
    for (size_t i = 0; i < 48; i++) {
        report[REPORT_SIGNED_BYTES + i] = signature[47 - i];
        report[REPORT_SIGNED_BYTES + REPORT_SCALAR_BYTES + i] = signature[95 - i];
    }
}

/* One octet changed; where the chip itself signs the change, only the rule about it is left to refuse it. */
static const struct {
    size_t offset;
    uint8_t flip;
    bool is_signed;
    const char *want;
} changes[] = {
    {0x000, 1, true, "sim.version"},
    {0x000, 3, true, "sim.version"},
    {0x00A, 0x08, true, "sim.debug"},
    {0x00A, 0x04, true, "sim.migration_agent"},
    {0x00A, 0x02, true, "sim.policy.form"},
    {0x00B, 0x04, true, "sim.policy.form"},
    {0x00F, 0x80, true, "sim.policy.form"},
    {0x030, 1, true, "sim.vmpl"},
    {0x033, 0xff, true, "sim.vmpl"},
    {0x034, 1, true, "sim.signature_algorithm"},
    {0x034, 3, true, "sim.signature_algorithm"},
    {0x048, 2, true, "sim.key_info"},
    {0x048, 4, true, "sim.key_info"},
    {0x04C, 1, true, "sim.reserved"},
    {0x188, 1, true, "sim.reserved"},
    {0x19F, 1, true, "sim.reserved"},
    {0x1EB, 1, true, "sim.reserved"},
    {0x1EF, 1, true, "sim.reserved"},
    {0x1F8, 1, true, "sim.reserved"},
    {0x29F, 0x80, true, "sim.reserved"},
    {0x050, 1, true, "sim.report_data"},
    {0x070, 1, true, "sim.report_data"}, /* the half that must be zero */
    {0x08F, 1, true, "sim.report_data"},
    {0x004, 1, false, "sim.signature"},
    {0x090, 1, false, "sim.signature"},
    {0x0BF, 1, false, "sim.signature"},
    {0x0C0, 1, false, "sim.signature"},
    {0x180, 1, false, "sim.signature"},
    {0x1A0, 1, false, "sim.signature"},
    {0x2A0, 1, false, "sim.signature"},
    {0x2A0 + 47, 1, false, "sim.signature"},
    {0x2A0 + 71, 1, false, "sim.signature"}, /* longer than a scalar */
    {0x2E8, 1, false, "sim.signature"},
    {0x2E8 + 60, 1, false, "sim.signature"},
    {0x330, 1, false, "sim.reserved"},
    {0x49F, 1, false, "sim.reserved"},
};

static void every_changed_octet_has_its_reason(void **state)
{
    struct fixture *fixture = *state;
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        uint8_t report[REPORT_BYTES];
        memcpy(report, fixture->evidence.report.data, REPORT_BYTES);
        report[changes[i].offset] ^= changes[i].flip;
        if (changes[i].is_signed) {
            sign_again(fixture, report);
        }
        struct evidence changed = fixture->evidence;
        changed.report = BYTES_OF(report);
        scoped_evidence_judgement judgement = {0};
        judge(fixture, &changed, &fixture->trust, world_now(&fixture->world), &judgement);
        if (judgement.failure_count != 1 || strcmp(judgement.failures[0], changes[i].want) != 0) {
            print_error("octet %zx: %zu failures\n", changes[i].offset, judgement.failure_count);
        }
        assert_only_failure(&judgement, changes[i].want);
    }
}

static void two_faults_have_two_reasons(void **state)
{
    struct fixture *fixture = *state;
    uint8_t report[REPORT_BYTES];
    memcpy(report, fixture->evidence.report.data, REPORT_BYTES);
    report[0x00A] ^= 0x08;
    struct evidence changed = fixture->evidence;
    changed.report = BYTES_OF(report);
    scoped_evidence_judgement judgement = {0};
    judge(fixture, &changed, &fixture->trust, world_now(&fixture->world), &judgement);
    assert_int_equal(judgement.failure_count, 2);
    assert_string_equal(judgement.failures[0], "sim.debug");
    assert_string_equal(judgement.failures[1], "sim.signature");
}

static void debug_needs_the_dangerous_flag(void **state)
{
    struct fixture *fixture = *state;
    uint8_t report[REPORT_BYTES];
    memcpy(report, fixture->evidence.report.data, REPORT_BYTES);
    report[0x00A] ^= 0x08;
    sign_again(fixture, report);
    struct evidence changed = fixture->evidence;
    changed.report = BYTES_OF(report);
    struct evidence_trust careless = fixture->trust;
    careless.insecure_allow_debug = true;
    scoped_evidence_judgement judgement = {0};
    judge(fixture, &changed, &careless, world_now(&fixture->world), &judgement);
    assert_int_equal(judgement.verdict, VERDICT_ALLOW);
    assert_true(json_is_true(json_object_get(judgement.claims, "x-ms-sevsnpvm-is-debuggable")));
}

static void swap_halves(uint8_t *report)
{
    uint8_t r[REPORT_SCALAR_BYTES];
    memcpy(r, report + 0x2A0, sizeof r);
    memcpy(report + 0x2A0, report + 0x2E8, sizeof r);
    memcpy(report + 0x2E8, r, sizeof r);
}

static void reverse(uint8_t *from, size_t size)
{
    for (size_t i = 0; i < size / 2; i++) {
        uint8_t octet = from[i];
        from[i] = from[size - 1 - i];
        from[size - 1 - i] = octet;
    }
}

static void other_forms_of_signature_are_refused(void **state)
{
    struct fixture *fixture = *state;
    for (int form = 0; form < 3; form++) {
        uint8_t report[REPORT_BYTES];
        memcpy(report, fixture->evidence.report.data, REPORT_BYTES);
        if (form == 0) {
            swap_halves(report);
        } else if (form == 1) {
            reverse(report + 0x2A0, 48);
            reverse(report + 0x2E8, 48);
        } else {
            memset(report + 0x2A0, 0, 2 * REPORT_SCALAR_BYTES);
        }
        struct evidence changed = fixture->evidence;
        changed.report = BYTES_OF(report);
        scoped_evidence_judgement judgement = {0};
        judge(fixture, &changed, &fixture->trust, world_now(&fixture->world), &judgement);
        assert_only_failure(&judgement, "sim.signature");
    }
}

static void sizes_and_families_are_refused(void **state)
{
    struct fixture *fixture = *state;
    static const size_t sizes[] = {0, 1, REPORT_SIGNED_BYTES, REPORT_BYTES - 1};
    for (size_t i = 0; i < 4; i++) {
        struct evidence changed = fixture->evidence;
        changed.report.size = sizes[i];
        scoped_evidence_judgement judgement = {0};
        judge(fixture, &changed, &fixture->trust, world_now(&fixture->world), &judgement);
        assert_only_failure(&judgement, "report.size");
    }
    static const struct text families[] = {{"snp", 3}, {"sevsnpvm", 8}, {"Sim", 3}, {"sim2", 4}, {"", 0}};
    for (size_t i = 0; i < 5; i++) {
        struct evidence changed = fixture->evidence;
        changed.family = families[i];
        scoped_evidence_judgement judgement = {0};
        judge(fixture, &changed, &fixture->trust, world_now(&fixture->world), &judgement);
        assert_only_failure(&judgement, "evidence.family.unknown");
    }
}

static void only_the_configured_root_counts(void **state)
{
    struct fixture *fixture = *state;
    int64_t now = world_now(&fixture->world);
    struct evidence_trust trust = fixture->trust;
    trust.root_count = 0;
    scoped_evidence_judgement none = {0};
    judge(fixture, &fixture->evidence, &trust, now, &none);
    assert_only_failure(&none, "sim.root.untrusted");
    trust = fixture->trust;
    trust.roots[0].family = TEXT("snp");
    scoped_evidence_judgement other_family = {0};
    judge(fixture, &fixture->evidence, &trust, now, &other_family);
    assert_only_failure(&other_family, "sim.root.untrusted");
    trust = fixture->trust;
    trust.roots[0].pin.octets[31] ^= 1;
    scoped_evidence_judgement other_pin = {0};
    judge(fixture, &fixture->evidence, &trust, now, &other_pin);
    assert_only_failure(&other_pin, "sim.root.untrusted");
}

static void chains_are_judged(void **state)
{
    struct fixture *fixture = *state;
    int64_t now = world_now(&fixture->world);
    struct fixture other = {.world = fixture->world};
    make_simulation(&other);
    arena_init(&other.arena, 1024 * 1024);
    assert_ok(sim_chip_open(other.folder, BYTES_OF(measurement), &other.chip));
    const uint8_t report_data[TEE_REPORT_DATA_BYTES] = {0};
    assert_ok(sim_chip_collect(&other.chip, &other.arena, report_data, &other.evidence));
    const struct bytes chip = fixture->evidence.certificates[0], root = fixture->evidence.certificates[1];
    const struct bytes other_chip = other.evidence.certificates[0],
                       other_root = other.evidence.certificates[1];
    const struct {
        struct bytes certificates[3];
        size_t count;
        const char *want;
    } chains[] = {
        {{other_chip, root}, 2, "sim.chain"},
        {{chip, other_root}, 2, "sim.root.untrusted"},
        {{other_chip, other_root}, 2, "sim.root.untrusted"},
        {{chip}, 1, "sim.root.untrusted"},
        {{root, chip}, 2, "sim.root.untrusted"},
        {{root}, 1, "sim.signature"},
        {{chip, other_root, root}, 3, "sim.chain"},
        {{bytes_slice(chip, 0, chip.size - 1), root}, 2, "sim.chain.form"},
        {{chip, bytes_of_text(TEXT("no"))}, 2, "sim.chain.form"},
    };
    for (size_t i = 0; i < sizeof chains / sizeof *chains; i++) {
        struct evidence changed = fixture->evidence;
        memcpy(changed.certificates, chains[i].certificates, sizeof chains[i].certificates);
        changed.certificate_count = chains[i].count;
        scoped_evidence_judgement judgement = {0};
        judge(fixture, &changed, &fixture->trust, now, &judgement);
        assert_int_equal(judgement.verdict, VERDICT_DENY);
        assert_true(judgement.failure_count > 0);
        assert_string_equal(judgement.failures[0], chains[i].want);
    }
    sim_chip_release(&other.chip);
    arena_release(&other.arena);
    remove_simulation(other.folder);
}

static void a_chip_key_of_another_kind_is_refused(void **state)
{
    struct fixture *fixture = *state;
    scoped_key root_key = {0};
    scoped_key chip_key = {0};
    scoped_certificate root = {0};
    scoped_certificate chip = {0};
    int64_t now = world_now(&fixture->world);
    assert_ok(key_generate(KEY_EC_P384, 0, &root_key));
    assert_ok(key_generate(KEY_EC_P256, 0, &chip_key));
    struct certificate_request request = {.subject_key = &root_key,
                                          .common_name = TEXT("root"),
                                          .not_before = now - 10,
                                          .not_after = now + 10,
                                          .is_authority = true};
    assert_ok(certificate_issue(&fixture->world, &request, NULL, &root_key, &root));
    request.subject_key = &chip_key;
    request.is_authority = false;
    assert_ok(certificate_issue(&fixture->world, &request, &root, &root_key, &chip));
    scoped_buffer chip_der, root_der;
    buffer_init(&chip_der, 65536);
    buffer_init(&root_der, 65536);
    assert_ok(certificate_to_der(&chip, &chip_der));
    assert_ok(certificate_to_der(&root, &root_der));
    struct evidence changed = fixture->evidence;
    changed.certificates[0] = buffer_view(&chip_der);
    changed.certificates[1] = buffer_view(&root_der);
    struct evidence_trust trust = fixture->trust;
    assert_ok(key_pin(&root_key, &trust.roots[0].pin));
    scoped_evidence_judgement judgement = {0};
    judge(fixture, &changed, &trust, now, &judgement);
    assert_int_equal(judgement.failure_count, 2);
    assert_string_equal(judgement.failures[0], "sim.chip_key");
    assert_string_equal(judgement.failures[1], "sim.signature");
}

static void certificates_have_their_time(void **state)
{
    struct fixture *fixture = *state;
    int64_t now = world_now(&fixture->world);
    const int64_t times[] = {0, now - 3 * 86400, now + INT64_C(21) * 365 * 86400};
    for (size_t i = 0; i < 3; i++) {
        scoped_evidence_judgement judgement = {0};
        judge(fixture, &fixture->evidence, &fixture->trust, times[i], &judgement);
        assert_only_failure(&judgement, "sim.chain.validity");
    }
}

static void runtime_data_are_bound(void **state)
{
    struct fixture *fixture = *state;
    scoped_evidence_judgement judgement = {0};
    assert_ok(evidence_judge(&fixture->arena, &fixture->evidence,
                             bytes_of_text(TEXT("{\"purpose\":\"tess\"}")), &fixture->trust,
                             world_now(&fixture->world), &judgement));
    assert_only_failure(&judgement, "sim.report_data");
}

static void evidence_travels_as_json(void **state)
{
    struct fixture *fixture = *state;
    scoped_json *json = NULL;
    struct evidence back;
    assert_ok(evidence_to_json(&fixture->evidence, &json));
    assert_ok(evidence_from_json(&fixture->arena, json, &back));
    assert_true(text_equal(back.family, fixture->evidence.family));
    assert_true(bytes_equal(back.report, fixture->evidence.report));
    assert_int_equal(back.certificate_count, 2);
    assert_true(bytes_equal(back.certificates[1], fixture->evidence.certificates[1]));
    static const struct {
        const char *json;
        enum result_code code;
        const char *want;
    } refused[] = {
        {"[]", RESULT_INVALID, "json.not_object"},
        {"{\"family\":\"sim\",\"report\":\"AA\",\"certificates\":[\"AA\"],\"x\":1}", RESULT_INVALID,
         "json.member.unknown"},
        {"{\"family\":\"S M\",\"report\":\"AA\",\"certificates\":[\"AA\"]}", RESULT_INVALID,
         "evidence.family"},
        {"{\"report\":\"AA\",\"certificates\":[\"AA\"]}", RESULT_INVALID, "json.member.missing"},
        {"{\"family\":\"sim\",\"report\":\"A=\",\"certificates\":[\"AA\"]}", RESULT_INVALID,
         "base64.character"},
        {"{\"family\":\"sim\",\"report\":\"AA\",\"certificates\":[]}", RESULT_INVALID,
         "evidence.certificate.none"},
        {"{\"family\":\"sim\",\"report\":\"AA\",\"certificates\":[7]}", RESULT_INVALID,
         "evidence.certificate.form"},
        {"{\"family\":\"sim\",\"report\":\"AA\",\"certificates\":[\"A+\"]}", RESULT_INVALID,
         "evidence.certificate.form"},
        {"{\"family\":\"sim\",\"report\":\"AA\",\"certificates\":[\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\","
         "\"\"]}",
         RESULT_LIMIT, "evidence.certificate.count"},
    };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        scoped_json *bad = NULL;
        assert_ok(json_decode(bytes_of_text(text_of(refused[i].json)), &bad));
        assert_why_at(evidence_from_json(&fixture->arena, bad, &back), refused[i].code, refused[i].want,
                      __FILE__, __LINE__);
    }
}

static void a_room_without_its_files_does_not_open(void **state)
{
    struct fixture *fixture = *state;
    struct sim_chip chip = {0};
    assert_why(sim_chip_open("/nonexistent", BYTES_OF(measurement), &chip), UNAVAILABLE,
               "tee.sim.file_missing");
    assert_why(sim_chip_open(fixture->folder, (struct bytes){measurement, 32}, &chip), INVALID,
               "tee.measurement");
    struct tee tee = {0};
    struct tee_place place = {fixture->folder, "/nonexistent", getpid()};
    assert_why(tee_skeleton.open(&place, &tee), UNSUPPORTED, "tee.skeleton");
    assert_why(tee_sim.open(&place, &tee), UNAVAILABLE, "child.program");
    assert_null(tee.self);
}

static void the_connection_file_has_its_form(void **state)
{
    struct fixture *fixture = *state;
    scoped_json *json = NULL;
    assert_ok(simulation_connection(TEXT("PEM"), &fixture->pin, BYTES_OF(measurement), &json));
    assert_string_equal(claim(json, "type"), "connection/simulation/1");
    assert_string_equal(claim(json, "root"), "PEM");
    assert_int_equal(strlen(claim(json, "measurement")), 96);
    assert_int_equal(json_object_size(json), 4);
}

static void measurement_names_what_is_mapped(void **state)
{
    struct fixture *fixture = *state;
    struct measurement_list *list = calloc(1, sizeof *list);
    struct digest384 first, second;
    struct text lines;
    assert_why(measurement_compute(&fixture->arena, list, &first, NULL), INVALID, "measurement.empty");
    assert_ok(measurement_add_process(&fixture->arena, 0, list));
    size_t count = list->count;
    assert_ok(measurement_add_process(&fixture->arena, getpid(), list));
    assert_int_equal(list->count, count);
    assert_ok(measurement_compute(&fixture->arena, list, &first, &lines));
    assert_true(memmem(lines.data, lines.size, "  libcrypto.so.3\n", 17) != NULL);
    assert_true(memmem(lines.data, lines.size, "  test-tee\n", 11) != NULL);
    struct text one_more;
    assert_ok(arena_printf(&fixture->arena, &one_more, "%s/%s", fixture->folder, SIMULATION_ROOT_DER));
    assert_ok(measurement_add_file(&fixture->arena, one_more, list));
    assert_ok(measurement_compute(&fixture->arena, list, &second, &lines));
    assert_memory_not_equal(first.octets, second.octets, DIGEST384_BYTES);
    struct text same_name;
    assert_ok(arena_printf(&fixture->arena, &same_name, "/elsewhere/%s", SIMULATION_ROOT_DER));
    assert_why(measurement_add_file(&fixture->arena, same_name, list), CONFLICT, "measurement.name_twice");
    assert_why(measurement_add_file(&fixture->arena, TEXT("/a/"), list), INVALID, "measurement.name");
    assert_ok(measurement_add_file(&fixture->arena, TEXT("/nonexistent/file"), list));
    assert_why(measurement_compute(&fixture->arena, list, &second, NULL), UNAVAILABLE, "measurement.file");
    assert_why(measurement_add_process(&fixture->arena, INT32_MAX, list), UNAVAILABLE, "measurement.maps");
    free(list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(good_evidence_is_allowed, open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(every_changed_octet_has_its_reason, open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(two_faults_have_two_reasons, open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(debug_needs_the_dangerous_flag, open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(other_forms_of_signature_are_refused, open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(sizes_and_families_are_refused, open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(only_the_configured_root_counts, open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(chains_are_judged, open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(a_chip_key_of_another_kind_is_refused, open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(certificates_have_their_time, open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(runtime_data_are_bound, open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(evidence_travels_as_json, open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(a_room_without_its_files_does_not_open, open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(the_connection_file_has_its_form, open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(measurement_names_what_is_mapped, open_fixture, close_fixture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
