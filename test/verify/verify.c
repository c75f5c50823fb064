/*
 * verify.c - tests of the parts of toms-verify that need no command line: vectors of RFC 6962,
 * every leaf of small trees, every byte of what is read.
 *
 * Run by test/t/audit_verify.pl; prints TAP.  With "samples DIRECTORY" it writes samples there,
 * for tests of the program itself and as a first corpus for the fuzzer.
 */
#include "verify.h"

#include <unistd.h>

#include "sample.h"

static FILE *tap;
static int	tests = 0;
static int	failures = 0;
static Sample sample;
static Sample log_sample;

static void
ok(bool passed, const char *name)
{
	tests++;
	failures += !passed;
	fprintf(tap, "%s %d - %s\n", passed ? "ok" : "not ok", tests, name);
}

/* Checks; each returns how many faults were named. */

static uint64_t
faults_of_proof(const char *text, size_t size)
{
	uint64_t	before = faults();
	char	   *copy = malloc(size);	/* to the byte, for sanitizers */

	memcpy(copy, text, size);
	check_proof((Text) {copy, size});
	release_scratch();
	free(copy);
	return faults() - before;
}

static uint64_t
faults_of_certificate(const char *text, size_t size)
{
	uint64_t	before = faults();
	char	   *copy = malloc(size);	/* to the byte, for sanitizers */

	memcpy(copy, text, size);
	check_certificate((Text) {copy, size});
	release_scratch();
	free(copy);
	return faults() - before;
}

static uint64_t
faults_of_report(const char *text, size_t size)
{
	uint64_t	before = faults();
	char	   *copy = malloc(size);	/* to the byte, for sanitizers */

	memcpy(copy, text, size);
	check_report((Text) {copy, size});
	release_scratch();
	free(copy);
	return faults() - before;
}

static void
each_line(const char *text, size_t size, void (*check) (Text line))
{
	const char *end = text + size;

	while (text < end)
	{
		const char *feed = memchr(text, '\n', end - text);
		const char *behind = feed ? feed : end;

		if (!feed)
			fault("the last line is cut off");
		check((Text) {text, behind - text});
		release_scratch();
		text = behind + 1;
	}
}

static uint64_t
faults_of_chain(const char *text, size_t size)
{
	uint64_t	before = faults();

	chain_start();
	each_line(text, size, chain_line);
	chain_end();
	return faults() - before;
}

static uint64_t
faults_of_archive(const char *text, size_t size)
{
	uint64_t	before = faults();

	archive_start();
	each_line(text, size, archive_line);
	archive_end();
	archives_end();
	return faults() - before;
}

static uint64_t
faults_of_log(const char *text, size_t size)
{
	uint64_t	before = faults();

	log_start();
	each_line(text, size, log_line);
	log_end();
	return faults() - before;
}

/* True if there is a fault whatever byte is altered, and wherever it is cut off but, perhaps, between lines. */
static bool
no_byte_alterable(const Sample *whole, uint64_t (*check) (const char *, size_t), bool ends_anywhere)
{
	static const char others[] = " 0A\"}\n";
	Sample	   *altered = malloc(sizeof(Sample));
	bool		all = check(whole->text, whole->size) == 0;

	memcpy(altered, whole, sizeof(Sample));
	for (int at = 0; at < whole->size; at++)
	{
		for (int i = 0; i < 8 + lengthof(others) - 1; i++)
		{
			altered->text[at] = i < 8 ? (char) (whole->text[at] ^ 1 << i) : others[i - 8];
			if (altered->text[at] != whole->text[at] && check(altered->text, altered->size) == 0)
			{
				fprintf(tap, "# byte %d of %d can be %02x\n", at, whole->size, (uint8_t) altered->text[at]);
				all = false;
			}
		}
		altered->text[at] = whole->text[at];
		if (!(ends_anywhere && (at == 0 || whole->text[at - 1] == '\n')) && check(whole->text, at) == 0)
		{
			fprintf(tap, "# can be cut off at byte %d of %d\n", at, whole->size);
			all = false;
		}
	}
	free(altered);
	return all;
}

/* The reference tree of Certificate Transparency. */

static const char *const inputs[] = {"", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"};
static const char *const roots[] = {
	"6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
	"fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
	"aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
	"d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
	"4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
	"76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
	"ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
	"5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"
};
static const struct
{
	int			index;
	int			size;
	const char *path[3];
}			paths[] = {
	{0, 1, {NULL}},
	{0, 8, {"96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
			"5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
			"6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"}},
	{5, 8, {"bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
			"ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
			"d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"}},
	{2, 3, {"fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"}},
	{1, 5, {"6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
			"5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
			"bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"}}
};

static size_t
from_hex(uint8_t into[32], const char *hex)
{
	size_t		length;

	sodium_hex2bin(into, 32, hex, strlen(hex), NULL, &length, NULL);
	return length;
}

static bool
is_hex_of(const uint8_t hash[32], const char *hex)
{
	uint8_t		expected[32];

	return from_hex(expected, hex) == 32 && memcmp(hash, expected, 32) == 0;
}

static void
test_vectors(void)
{
	uint8_t		leaves[8][32];
	uint8_t		hash[32];
	uint8_t		bytes[33] = {0};
	Tree		tree = {0};
	bool		right = true;
	char		name[64];

	for (int i = 0; i < 8; i++)
		crypto_hash_sha256(leaves[i], bytes, 1 + from_hex(bytes + 1, inputs[i]));
	leaf_hash(hash, bytes + 1, (Bytes) {bytes, 0});
	ok(memcmp(hash, leaves[7], 32) == 0, "RFC 6962: a leaf");
	ok(tree_root(&tree, hash) && is_hex_of(hash, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"), "RFC 6962: no leaves");
	for (int count = 1; count <= 8; count++)
	{
		tree = (Tree) {.total = count};
		for (int i = 0; i < count; i++)
			right = right && add_subtree(&tree, i, 1, leaves[i]);
		right = right && tree_root(&tree, hash) && is_hex_of(hash, roots[count - 1]);
		reference_root(hash, leaves, count);
		right = right && is_hex_of(hash, roots[count - 1]);
	}
	ok(right, "RFC 6962: roots of 1 to 8 leaves");
	for (int i = 0; i < lengthof(paths); i++)
	{
		uint8_t		path[3 * 32];
		size_t		size = 0;

		for (int j = 0; j < 3 && paths[i].path[j]; j++)
			size += from_hex(path + size, paths[i].path[j]);
		memcpy(hash, leaves[paths[i].index], 32);
		snprintf(name, sizeof(name), "RFC 6962: path of leaf %d of %d", paths[i].index, paths[i].size);
		ok(follow_path(hash, paths[i].index, paths[i].size, (Bytes) {path, size}) && is_hex_of(hash, roots[paths[i].size - 1]), name);
	}
}

/* Each leaf of trees of 1 to 33. */
static void
test_leaves(void)
{
	char		name[64];

	for (int block = 2; block <= 34; block++)
	{
		bool		all = true;

		for (int index = 0; index < block - 1; index++)
		{
			sample_proof(&sample, block, index);
			all = all && faults_of_proof(sample.text, sample.size) == 0;
		}
		snprintf(name, sizeof(name), "each leaf of a tree of %d is proved", block - 1);
		ok(all, name);
	}
}

/* A leaf is at one place of a tree of one size only. */
static void
test_places(void)
{
	uint8_t		leaves[33][32];
	bool		only = true;
	uint8_t		root[32];

	for (int i = 0; i < 33; i++)
		memset(leaves[i], i + 1, 32);
	for (int size = 1; size <= 33; size++)
	{
		reference_root(root, leaves, size);
		for (int index = 0; index < size; index++)
		{
			uint8_t		path[16][32];
			int			length = reference_path(path, index, leaves, size);

			for (int other = 0; other < 34; other++)
			{
				uint8_t		hash[32];
				bool		found;

				memcpy(hash, leaves[index], 32);
				found = follow_path(hash, other, size, (Bytes) {path[0], 32 * length}) && memcmp(hash, root, 32) == 0;
				only = only && found == (other == index);
			}
		}
	}
	ok(only, "a path fits one index only");
}

/* Subtrees in the places where a tree has them, and nowhere else. */
static void
test_subtrees(void)
{
	uint8_t		leaves[33][32];
	uint8_t		expected[32];
	uint8_t		hash[32];
	bool		right = true;

	for (int i = 0; i < 33; i++)
		memset(leaves[i], i + 1, 32);
	for (int total = 1; total <= 33; total++)
	{
		reference_root(expected, leaves, total);
		for (int start = 0; start < total; start++)
		{
			for (int size = 1; start + size <= total; size++)
			{
				Tree		tree = {.total = total};
				bool		whole = true;

				for (int i = 0; i < start; i++)
					whole = whole && add_subtree(&tree, i, 1, leaves[i]);
				reference_root(hash, leaves + start, size);
				if (!whole || !add_subtree(&tree, start, size, hash))
				{
					right = right && whole;
					continue;
				}
				for (int i = start + size; i < total; i++)
					whole = whole && add_subtree(&tree, i, 1, leaves[i]);
				right = right && whole && tree_root(&tree, hash) && memcmp(hash, expected, 32) == 0;
			}
		}
	}
	ok(right, "every subtree that is taken stands for its leaves");
	ok(!add_subtree(&(Tree) {.total = 8}, 0, 3, hash) && !add_subtree(&(Tree) {.total = 8}, 1, 1, hash) && !add_subtree(&(Tree) {.total = 8}, 0, 9, hash) &&
	   !add_subtree(&(Tree) {.total = 8}, 0, 0, hash) && add_subtree(&(Tree) {.total = INT64_MAX}, 0, INT64_MAX, hash), "and no other");
}

static void
test_bytes(void)
{
	sample_proof(&sample, 6, 1);
	ok(no_byte_alterable(&sample, faults_of_proof, false), "no byte of a proof can be altered");
	sample_proof(&sample, 2, 0);
	ok(no_byte_alterable(&sample, faults_of_proof, false), "no byte of the proof of the only leaf can be altered");
	sample_log(&log_sample, 1, SAMPLE_BLOCKS);
	ok(faults_of_log(log_sample.text, log_sample.size) == 0, "an outside log is whole");
	sample_proof(&sample, 8, 1);
	ok(faults_of_proof(sample.text, sample.size) == 0, "a proof is of a block in the log");
	sample_log(&log_sample, 1, 2);
	ok(no_byte_alterable(&log_sample, faults_of_log, true), "no byte of the log can be altered");
	sample_chain(&sample, 1, 2);
	(void) faults_of_log(log_sample.text, log_sample.size);
	ok(no_byte_alterable(&sample, faults_of_chain, false), "no byte of a chain can be altered, with a log beside it");
	sample_log(&log_sample, 1, SAMPLE_BLOCKS);
	(void) faults_of_log(log_sample.text, log_sample.size);
	sample_archive(&sample, 6, 6, 2, 4);
	ok(no_byte_alterable(&sample, faults_of_archive, false), "no byte of an archive can be altered");
}

/* Whoever has the key can sign anything, but not prove it. */
static void
test_certificates(void)
{
	static const SampleLie lies[] = {
		{.dataset = "0b5f3c52-7f7a-4a51-9c41-0123456789ac"}, {.tenant = "globex"}, {.tables = "{}"}, {.index = 3}
	};
	bool		all = true;

	sample_certificate(&sample, &(SampleLie) {0});
	ok(no_byte_alterable(&sample, faults_of_certificate, false), "no byte of a certificate can be altered");
	sample_certificate(&sample, &(SampleLie) {.unproved = true});
	ok(no_byte_alterable(&sample, faults_of_certificate, false), "no byte of a certificate without proof can be altered");
	for (int i = 0; i < lengthof(lies); i++)
	{
		sample_certificate(&sample, &lies[i]);
		all = all && faults_of_certificate(sample.text, sample.size) > 0;
	}
	ok(all, "a certificate says what its entry in the trail says");
	sample_certificate(&sample, &(SampleLie) {0});
	sample.text[sample.size++] = '\n';
	ok(faults_of_certificate(sample.text, sample.size) == 0, "a certificate may be a line of a file");
	sample.text[sample.size++] = '\n';
	ok(faults_of_certificate(sample.text, sample.size) > 0, "and nothing more");
}

static void
test_reports(void)
{
	sample_report(&sample, false);
	ok(no_byte_alterable(&sample, faults_of_report, false), "no byte of a report can be altered");
	ok(faults_of_certificate(sample.text, sample.size) > 0, "a report is no certificate");
	sample_report(&sample, true);
	ok(no_byte_alterable(&sample, faults_of_report, false), "no byte of a printed report can be altered");
	sample.text[sample.size++] = '\n';
	ok(faults_of_report(sample.text, sample.size) == 0, "a report may end with a line feed");
	sample.text[sample.size++] = '\n';
	ok(faults_of_report(sample.text, sample.size) > 0, "and with nothing more");
	memmove(sample.text + 1, sample.text, --sample.size);
	sample.text[0] = '\n';
	ok(faults_of_report(sample.text, sample.size) > 0, "nor begin with anything");
	sample_certificate(&sample, &(SampleLie) {0});
	ok(faults_of_report(sample.text, sample.size) > 0, "a certificate is no report");
}

static void
test_archives(void)
{
	bool		whole = true;

	for (int first = 0; first < 34; first += 3)
	{
		for (int behind = first + 1; behind <= 35; behind += 4)
		{
			sample_archive(&sample, 1, 35, first, behind);
			whole = whole && faults_of_archive(sample.text, sample.size) == 0;
		}
	}
	ok(whole, "archives of parts of blocks are whole");
}

static void
write_sample(const char *directory, const char *name, char first, const Sample *from)
{
	char		file[1024];
	FILE	   *out;

	snprintf(file, sizeof(file), "%s/%s", directory, name);
	out = fopen(file, "wb");
	if (!out || (first && fputc(first, out) == EOF) || fwrite(from->text, 1, from->size, out) != (size_t) from->size || fclose(out) != 0)
		fail(file, "could not be written");
}

/* Files for the program; those that begin with "fuzz" have a letter before them that tells the fuzzer what they are. */
static void
write_samples(const char *directory)
{
	sample_proof(&sample, 8, 1);
	write_sample(directory, "proof.json", 0, &sample);
	write_sample(directory, "fuzz-proof", 'p', &sample);
	sample_proof(&sample, 9, 7);
	write_sample(directory, "who.json", 0, &sample);
	sample_proof(&sample, 2, 0);
	write_sample(directory, "fuzz-small", 'p', &sample);
	sample_certificate(&sample, &(SampleLie) {0});
	write_sample(directory, "certificate.json", 0, &sample);
	write_sample(directory, "fuzz-certificate", 'r', &sample);
	sample_report(&sample, true);
	write_sample(directory, "report.html", 0, &sample);
	write_sample(directory, "fuzz-report", 'm', &sample);
	sample_log(&sample, 1, 12);
	write_sample(directory, "log.jsonl", 0, &sample);
	sample_log(&sample, 1, 3);
	write_sample(directory, "fuzz-log", 'l', &sample);
	sample_chain(&sample, 1, 12);
	write_sample(directory, "chain.jsonl", 0, &sample);
	sample_chain(&sample, 1, 3);
	write_sample(directory, "fuzz-chain", 'c', &sample);
	sample_archive(&sample, 5, 12, 2, 5);
	write_sample(directory, "archive.jsonl", 0, &sample);
	sample_archive(&sample, 5, 6, 2, 5);
	write_sample(directory, "fuzz-archive", 'a', &sample);
	sample.size = snprintf(sample.text, sizeof(sample.text), "%s\n", sample_key());
	write_sample(directory, "key", 0, &sample);
}

int
main(int argc, char **argv)
{
	if (sodium_init() < 0)
		return 2;
	sample_start();
	if (argc == 3 && strcmp(argv[1], "samples") == 0)
	{
		write_samples(argv[2]);
		return 0;
	}
	tap = fdopen(dup(1), "w");
	if (!tap || !freopen("/dev/null", "w", stdout))
		return 2;
	test_vectors();
	test_leaves();
	test_places();
	test_subtrees();
	test_archives();
	test_certificates();
	test_reports();
	test_bytes();
	fprintf(tap, "1..%d\n", tests);
	return failures > 0;
}
