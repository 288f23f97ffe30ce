# Net::Stomp; see README.md. It has no heart-beats, no escape sequences, and no receipt for DISCONNECT.
use strict;
use warnings;
use JSON::PP;
use Net::Stomp;
use Time::HiRes;

sub env { return $ENV{"FOREIGN_$_[0]"} }

my $count = env('COUNT');
my $stomp = Net::Stomp->new({ hostname => env('HOST'), port => env('PORT'), timeout => 20 });
# An ACK of STOMP 1.2 has the header `id`; Net::Stomp writes `message-id`, as 1.1 has it.
my $connected = $stomp->connect({
    login => env('LOGIN'), passcode => env('PASSCODE'), host => env('VHOST'), 'accept-version' => '1.1',
});
die 'refused: ' . ($connected ? $connected->body : 'no answer') unless $connected && $connected->command eq 'CONNECTED';
my %seen = (
    library => $Net::Stomp::VERSION,
    version => $connected->headers->{version},
    lacks   => ['disconnect'],
);

sub receive {
    my $frame = $stomp->receive_frame or die 'no message';
    die $frame->command . ': ' . $frame->body unless $frame->command eq 'MESSAGE';
    return $frame;
}

# It sends an empty body instead of 0, see `clients.py`: null.
sub number { my ($frame) = @_; return length $frame->body ? $frame->body + 0 : undef }

sub send_to { my ($name, $body, %more) = @_; return $stomp->send({ destination => "/queue/$name", body => $body, %more }) }

sub control {
    my ($command, $transaction) = @_;
    return $stomp->send_frame(
        Net::Stomp::Frame->new({ command => $command, headers => { transaction => $transaction } }));
}

my $receipts = 0;
for my $mode (qw(auto client client-individual)) {
    for my $number (0 .. $count - 1) {
        $receipts += $stomp->send_with_receipt({ destination => "/queue/$mode", body => "$number" });
    }
    $stomp->subscribe({ destination => "/queue/$mode", id => $mode, ack => $mode });
    my @numbers;
    for my $index (0 .. $count - 1) {
        my $frame = receive();
        push @numbers, number($frame);
        $stomp->ack({ frame => $frame, subscription => $mode })
            if $mode eq 'client-individual' || ($mode eq 'client' && $index == $count - 1);
    }
    $stomp->unsubscribe({ id => $mode });
    $seen{$mode} = \@numbers;
}
$seen{receipts} = $receipts;

$stomp->subscribe({ destination => '/queue/nack', id => 'nack', ack => 'client-individual' });
send_to('nack', '0');
my @refused;
for (;;) {
    my $frame = receive();
    my $again = ($frame->headers->{redelivered} // '') eq 'true' ? JSON::PP::true : JSON::PP::false;
    push @refused, [number($frame), $again];
    if (@refused == 1) {
        $stomp->nack({ frame => $frame, subscription => 'nack' });
        send_to('nack', '1');
    } else {
        $stomp->ack({ frame => $frame, subscription => 'nack' });
    }
    last if $frame->body eq '1';
}
$stomp->unsubscribe({ id => 'nack' });
$seen{nack} = \@refused;

$stomp->subscribe({ destination => '/queue/transaction', id => 'transaction' });
control('BEGIN', 'aborted');
send_to('transaction', '0', transaction => 'aborted');
control('ABORT', 'aborted');
control('BEGIN', 'committed');
send_to('transaction', $_, transaction => 'committed') for 1, 2;
control('COMMIT', 'committed');
send_to('transaction', '3');
my @committed;
push @committed, number(receive()) until @committed && $committed[-1] == 3;
$seen{transaction} = \@committed;

$stomp->subscribe({ destination => '/queue/header', id => 'header' });
send_to('header', '1', text => 'C:\\new');
$seen{header} = receive()->headers->{text};

$stomp->subscribe({ destination => '/queue/binary', id => 'binary' });
send_to('binary', join('', map { chr } 0 .. 255), bytes_message => 1);
$seen{binary} = unpack 'H*', receive()->body;

$stomp->subscribe({ destination => '/queue/idle', id => 'idle' });
Time::HiRes::sleep(env('IDLE') / 1000);
send_to('idle', '0');
$seen{idle} = [number(receive())];

$stomp->disconnect;
print JSON::PP->new->canonical->encode(\%seen), "\n";
