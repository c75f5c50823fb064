# Ruby 3 on OpenSSL 3, no gem: ruby mint.rb app.jwk
require 'base64'
require 'json'
require 'openssl'
require 'securerandom'

jwk = JSON.parse(File.read(ARGV[0]))
claims = { tenant: 'acme', sub: '17', role: 'hr', purpose: 'absence_management',
           iat: Time.now.to_i, exp: Time.now.to_i + 300, jti: SecureRandom.uuid }
header = { alg: 'EdDSA', kid: jwk['kid'], typ: 'JWT' }
input = [header, claims].map { |part| Base64.urlsafe_encode64(part.to_json, padding: false) }.join('.')
pkcs8 = ['302e020100300506032b657004220420'].pack('H*') + Base64.urlsafe_decode64(jwk['d']) # RFC 8410
signature = OpenSSL::PKey.read(pkcs8).sign(nil, input)
puts "#{input}.#{Base64.urlsafe_encode64(signature, padding: false)}"
