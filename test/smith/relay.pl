# Stands between a client and the server, and reads what the server sends: rows, errors and notices, whatever the client makes of them.
#
#   relay.pl LISTEN SERVER REPORT CANARY SEEN SOURCES
#
# LISTEN and SERVER are Unix sockets.  Lines go to REPORT, each with the statement:
#   canary     something matches the pattern CANARY
#   internal   an error of class XX that one of our SOURCES (a pattern of file names) has raised
#   foreign    the same of PostgreSQL's own source, once for each message
#   silent     the server has not answered for a minute
# SIGTERM ends it: "statements" tells how many there were, "seen" how many rows matched the pattern SEEN, "error" each SQLSTATE and how often.

use strict;
use warnings;
use IO::Select;
use IO::Socket::UNIX;

my ($listen, $server, $report, $canary, $seen, $sources) = @ARGV;
my $listener = IO::Socket::UNIX->new(Local => $listen, Listen => 16) or die "$listen: $!\n";
open(my $out, '>>', $report) or die "$report: $!\n";
$out->autoflush(1);
my $select = IO::Select->new($listener);
my %conversation;    # of each end
my %count = (statements => 0, seen => 0);
my %errors;
my %told;
my $ended;
$SIG{TERM} = sub { $ended = 1 };
$SIG{PIPE} = 'IGNORE';

sub tell_of
{
	my ($what, $text, $talk) = @_;
	tr/\0-\x1f/ / for (my $said = $text), (my $asked = $talk->{asked});
	print $out "$what: $said\n    in: $asked\n";
	return;
}

sub look_at
{
	my ($talk, $type, $body) = @_;
	$talk->{waits} = 0;
	$count{seen}++ if $type eq 'D' && $body =~ /$seen/io;
	tell_of('canary', "$type $body", $talk) if $body =~ /$canary/io && !$told{"canary $talk->{asked}"}++;
	return if $type ne 'E';
	my %field = map { (substr($_, 0, 1) => substr($_, 1)) } grep { length } split /\0/, $body;
	$errors{ $field{C} }++;
	return if $field{C} !~ /^XX/;
	my $ours = $field{F} =~ /^(?:$sources)$/o;
	tell_of($ours ? 'internal' : 'foreign', "$field{C} $field{M} ($field{R}, $field{F}:$field{L})", $talk) if $ours || !$told{"$field{R} $field{L}"}++;
	return;
}

# Whole messages of the server: type, length, body.
sub read_messages
{
	my ($talk) = @_;
	while (length $talk->{buffer} >= 5)
	{
		my ($type, $length) = unpack 'a N', $talk->{buffer};
		last if length $talk->{buffer} < 1 + $length;
		look_at($talk, $type, substr($talk->{buffer}, 5, $length - 4));
		substr($talk->{buffer}, 0, 1 + $length) = '';
	}
	return;
}

sub send_on
{
	my ($to, $data) = @_;
	my $sent = 0;
	while ($sent < length $data) { $sent += syswrite($to, $data, length($data) - $sent, $sent) || return }
	return;
}

sub answered
{
	my ($talk, $data) = @_;
	send_on($talk->{client}, $data);
	$talk->{buffer} .= $data;
	$talk->{answered} = 1;
	read_messages($talk);
	return;
}

# What a client sends without being answered in between is one statement.
sub asked
{
	my ($talk, $data) = @_;
	if ($talk->{answered})
	{
		$talk->{asked} = '';
		$count{statements}++;
	}
	$talk->{asked} .= $data;
	@$talk{qw(waits answered)} = (time, 0);
	send_on($talk->{server}, $data);
	return;
}

sub end_of
{
	my ($talk) = @_;
	for (@$talk{qw(client server)})
	{
		$select->remove($_);
		delete $conversation{$_};
		close $_;
	}
	return;
}

while (!$ended)
{
	for my $from ($select->can_read(5))
	{
		if ($from == $listener)
		{
			my $client = $listener->accept or next;
			my $to = IO::Socket::UNIX->new(Peer => $server);
			if (!$to) { close $client; next }
			$conversation{$_} = { client => $client, server => $to, buffer => '', asked => '', waits => 0, answered => 0 } for $client;
			$conversation{$to} = $conversation{$client};
			$select->add($client, $to);
			next;
		}
		my $talk = $conversation{$from} or next;
		if (!sysread $from, my $data, 65536) { end_of($talk) }
		elsif ($from == $talk->{server}) { answered($talk, $data) }
		else { asked($talk, $data) }
	}
	for my $talk (values %conversation)
	{
		next if !$talk->{waits} || time - $talk->{waits} <= 60;
		tell_of('silent', 'no answer for a minute', $talk);
		$talk->{waits} = 0;
	}
}
print $out "$_: $count{$_}\n" for sort keys %count;
print $out "error: $_ $errors{$_}\n" for sort keys %errors;
