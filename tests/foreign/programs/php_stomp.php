<?php
// PHP's extension stomp; see README.md. It has no heart-beats, no escape sequences, and no receipt for DISCONNECT.
function env(string $name): string
{
    return getenv("FOREIGN_$name");
}

$count = (int) env('COUNT');
// It writes `message-id` into ACK and NACK, as STOMP 1.1 has it.
$stomp = new Stomp(
    'tcp://' . env('HOST') . ':' . env('PORT'),
    env('LOGIN'),
    env('PASSCODE'),
    ['host' => env('VHOST'), 'accept-version' => '1.1']
);
$stomp->setReadTimeout(20);
$seen = ['library' => stomp_version(), 'version' => null, 'lacks' => ['disconnect']];

function receive(Stomp $stomp): StompFrame
{
    $frame = $stomp->readFrame();
    if (!$frame || $frame->command !== 'MESSAGE') {
        throw new Exception('no message: ' . ($frame ? $frame->body : $stomp->error()));
    }
    return $frame;
}

$receipts = 0;
foreach (['auto', 'client', 'client-individual'] as $mode) {
    for ($number = 0; $number < $count; $number++) {
        // With a receipt, it returns when that has come.
        $receipts += $stomp->send("/queue/$mode", (string) $number, ['receipt' => "r$receipts"]) ? 1 : 0;
    }
    $stomp->subscribe("/queue/$mode", ['id' => $mode, 'ack' => $mode]);
    $numbers = [];
    for ($index = 0; $index < $count; $index++) {
        $frame = receive($stomp);
        $numbers[] = (int) $frame->body;
        if ($mode === 'client-individual' || ($mode === 'client' && $index === $count - 1)) {
            $stomp->ack($frame, ['subscription' => $mode]);
        }
    }
    $stomp->unsubscribe("/queue/$mode", ['id' => $mode]);
    $seen[$mode] = $numbers;
}
$seen['receipts'] = $receipts;

$stomp->subscribe('/queue/nack', ['id' => 'nack', 'ack' => 'client-individual']);
$stomp->send('/queue/nack', '0');
$seen['nack'] = [];
do {
    $frame = receive($stomp);
    $seen['nack'][] = [(int) $frame->body, ($frame->headers['redelivered'] ?? '') === 'true'];
    if (count($seen['nack']) === 1) {
        $stomp->nack($frame, ['subscription' => 'nack']);
        $stomp->send('/queue/nack', '1');
    } else {
        $stomp->ack($frame, ['subscription' => 'nack']);
    }
} while ($frame->body !== '1');
$stomp->unsubscribe('/queue/nack', ['id' => 'nack']);

$stomp->subscribe('/queue/transaction', ['id' => 'transaction', 'ack' => 'auto']);
$stomp->begin('aborted');
$stomp->send('/queue/transaction', '0', ['transaction' => 'aborted']);
$stomp->abort('aborted');
$stomp->begin('committed');
$stomp->send('/queue/transaction', '1', ['transaction' => 'committed']);
$stomp->send('/queue/transaction', '2', ['transaction' => 'committed']);
$stomp->commit('committed');
$stomp->send('/queue/transaction', '3');
$seen['transaction'] = [];
while (end($seen['transaction']) !== 3) {
    $seen['transaction'][] = (int) receive($stomp)->body;
}

$stomp->subscribe('/queue/header', ['id' => 'header', 'ack' => 'auto']);
$stomp->send('/queue/header', '0', ['text' => 'C:\\new']);
$seen['header'] = receive($stomp)->headers['text'];

$stomp->subscribe('/queue/binary', ['id' => 'binary', 'ack' => 'auto']);
$stomp->send('/queue/binary', implode('', array_map('chr', range(0, 255))));
$seen['binary'] = bin2hex(receive($stomp)->body);

$stomp->subscribe('/queue/idle', ['id' => 'idle', 'ack' => 'auto']);
usleep((int) env('IDLE') * 1000);
$stomp->send('/queue/idle', '0');
$seen['idle'] = [(int) receive($stomp)->body];

unset($stomp); // sends DISCONNECT
echo json_encode($seen), "\n";
