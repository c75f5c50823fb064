# The report in Chromium, without a window: on a screen and on a phone nothing of it stands out beyond the edge, whatever a tenant
# is called; nothing is fetched from elsewhere and no script runs; it prints on A4; axe-core, where npm can bring it, finds no
# fault for people who do not see, or not see well.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SealTest;
use Test::More;
use TomsTest qw(npm_install);

my ($browser) = grep { -x } map { my $dir = $_; map { "$dir/$_" } qw(chromium chromium-browser google-chrome) } split /:/, $ENV{PATH};
plan skip_all => 'there is no Chromium' if !$browser;

my $dir = PostgreSQL::Test::Utils::tempdir();
my $node = sealed_server('browser', keyring());
$node->start;
add_roles($node);
create_sealed($node, 'app');

sub sql { return $node->safe_psql('app', "SET client_min_messages = warning; SET toms.reason = 'test'; $_[0]") }

my $name = '</bdi><script>document.title = "run"</script><img src="http://localhost:9/"> ' . 'W' x 10_000;
sql("SELECT toms.seal_audit(); UPDATE toms.tenant SET name = '$name', contact = '$name' WHERE tenant = 'acme'");

my $layout = q{document.title += " " + (document.documentElement.scrollWidth - document.documentElement.clientWidth) + " " + performance.getEntriesByType("resource").length}
	. q{ + " " + document.querySelectorAll("script, img, link, iframe, object").length};

# What a page comes to: a report, and a script of this test behind it that writes down what it sees.
sub browse
{
	my ($report, $script, $width, @options) = @_;
	open my $to, '>:raw', "$dir/page.html" or die;
	print $to $report =~ s/(?=<\/body>)/<script>$script<\/script>/r;
	close $to or die;
	my ($out, $err) = ('', '');
	IPC::Run::run([ $browser, '--headless', '--no-sandbox', '--disable-gpu', '--no-first-run', "--user-data-dir=$dir/profile", "--window-size=$width,1000", @options, "file://$dir/page.html" ],
		'<', \undef, '>', \$out, '2>', \$err, IPC::Run::timeout(60));
	return $out;
}

my $works = eval { browse('<html><head><title>t</title></head><body></body></html>', $layout, 800, '--dump-dom') } // '';
plan skip_all => 'Chromium does not run here' if $works !~ /<title>t 0 0 1/;

for my $lang ('en', 'de')
{
	for my $tenant ("'acme'", 'NULL')
	{
		my $report = sql("SELECT toms.report('html', $tenant, '$lang')");
		my $dom = browse($report, $layout, 1200, '--dump-dom');
		like($dom, qr/<title>[^<]* 0 0 1<\/title>/, "$lang, $tenant: nothing overflows a screen, nothing is fetched, no script but that of this test") or diag $dom =~ /(<title>.*<\/title>)/;
		$dom = browse($report, $layout, 500, '--dump-dom');
		like($dom, qr/<title>[^<]* 0 0 1<\/title>/, "$lang, $tenant: nor a phone");
	}
}
unlink "$dir/report.pdf";
browse(sql(q{SELECT toms.report('html', 'acme', 'de')}), '', 1200, "--print-to-pdf=$dir/report.pdf");
my $pdf = -e "$dir/report.pdf" ? slurp_file("$dir/report.pdf") : '';
like($pdf, qr/^%PDF/, 'it is printed');
like($pdf, qr{/MediaBox \[0 0 59[45](\.\d+)? 84[12](\.\d+)?\]}, 'on A4');

SKIP:
{
	skip 'npm cannot bring axe-core', 3 unless npm_install("$dir/axe", 'axe-core@4.14.1');
	my $axe = q{</script><script src="axe/node_modules/axe-core/axe.min.js"></script><script>}
		. q{axe.run().then(found => { document.title = "axe: " + found.passes.length + " passed; " + found.violations.map(fault => fault.id).join(" ") })};
	my @run = ($axe, 1200, '--virtual-time-budget=60000', '--dump-dom');

	like(browse('<html lang="en"><head><title>t</title></head><body><p style="color: #ccc">pale</p></body></html>', @run), qr/<title>axe: \d+ passed; [^<]*color-contrast/, 'axe-core tells of a fault');
	for my $lang ('en', 'de')
	{
		my $dom = browse(sql("SELECT toms.report('html', NULL, '$lang')"), @run);
		like($dom, qr/<title>axe: [1-9]\d* passed; <\/title>/, "$lang: and finds none in the report") or diag $dom =~ /(<title>.*<\/title>)/;
	}
}

done_testing();
