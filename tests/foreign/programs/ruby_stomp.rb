# Ruby's stomp; see README.md.
require 'json'
require 'stomp'
require 'timeout'

WAIT = 20
TEXT = "C:\\new\nGrüße".freeze

def env(name) = ENV.fetch("FOREIGN_#{name}")

count = env('COUNT').to_i
beat = env('HEARTBEAT')
connection = Stomp::Connection.new(
  hosts: [{ login: env('LOGIN'), passcode: env('PASSCODE'), host: env('HOST'), port: env('PORT').to_i }],
  reliable: false,
  connect_headers: { 'accept-version' => '1.1,1.2', 'host' => env('VHOST'), 'heart-beat' => "#{beat},#{beat}" }
)
seen = { library: Stomp::Version::STRING, version: connection.protocol, lacks: [] }

# receive returns frames of any command.
take = lambda do |command|
  frame = Timeout.timeout(WAIT) { connection.receive }
  raise "#{frame.inspect} instead of #{command}" unless frame && frame.command == command

  frame
end

receipts = 0
%w[auto client client-individual].each do |mode|
  destination = "/queue/#{mode}"
  count.times do |number|
    connection.publish(destination, number.to_s, receipt: "r#{receipts}")
    raise 'another receipt' unless take.call('RECEIPT').headers['receipt-id'] == "r#{receipts}"

    receipts += 1
  end
  connection.subscribe(destination, { ack: mode }, mode)
  seen[mode] = count.times.map do |index|
    message = take.call('MESSAGE')
    connection.ack(message.headers['ack']) if mode == 'client-individual' || (mode == 'client' && index == count - 1)
    message.body.to_i
  end
  connection.unsubscribe(destination, {}, mode)
end
seen[:receipts] = receipts

connection.subscribe('/queue/nack', { ack: 'client-individual' }, 'nack')
connection.publish('/queue/nack', '0')
seen[:nack] = []
loop do
  message = take.call('MESSAGE')
  seen[:nack] << [message.body.to_i, message.headers['redelivered'] == 'true']
  if seen[:nack].size == 1
    connection.nack(message.headers['ack'])
    connection.publish('/queue/nack', '1')
  else
    connection.ack(message.headers['ack'])
  end
  break if message.body == '1'
end
connection.unsubscribe('/queue/nack', {}, 'nack')

connection.subscribe('/queue/transaction', {}, 'transaction')
connection.begin('aborted')
connection.publish('/queue/transaction', '0', transaction: 'aborted')
connection.abort('aborted')
connection.begin('committed')
connection.publish('/queue/transaction', '1', transaction: 'committed')
connection.publish('/queue/transaction', '2', transaction: 'committed')
connection.commit('committed')
connection.publish('/queue/transaction', '3')
seen[:transaction] = []
seen[:transaction] << take.call('MESSAGE').body.to_i until seen[:transaction].last == 3

connection.subscribe('/queue/header', {}, 'header')
connection.publish('/queue/header', '0', text: TEXT)
seen[:header] = take.call('MESSAGE').headers['text']

connection.subscribe('/queue/binary', {}, 'binary')
connection.publish('/queue/binary', (0..255).to_a.pack('C*'))
seen[:binary] = take.call('MESSAGE').body.unpack1('H*')

connection.subscribe('/queue/idle', {}, 'idle')
sleep(env('IDLE').to_i / 1000.0)
connection.publish('/queue/idle', '0')
seen[:idle] = [take.call('MESSAGE').body.to_i]

connection.disconnect(receipt: 'end')
seen[:disconnect] = connection.disconnect_receipt.headers['receipt-id'] == 'end'
puts JSON.generate(seen)
