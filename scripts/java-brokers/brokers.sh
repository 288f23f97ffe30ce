# More brokers for scripts/brokers, which sources this: Artemis, ActiveMQ 6, Apollo, HornetQ and a Spring application from
# Maven Central's jars with a launcher of our own each, Artemis's distribution, and RabbitMQ 4 from Debian 13 in a folder
# of its own.
# shellcheck shell=bash

HERE=$ROOT/scripts/java-brokers
CACHE=${BROKERS_CACHE:-$WORK/cache}
[[ $CACHE = /* ]] || CACHE=$PWD/$CACHE
RABBITMQ4_ROOT=$CACHE/rabbitmq4
# As it is named within that folder, which several $WORK may share.
RABBITMQ4_DATA=/broker-$(cksum <<<"$WORK" | cut -d' ' -f1)

# What each is made of, as Maven names it: group:artifact:version.
declare -A JARS=(
    [artemis]='org.apache.activemq:apache-artemis:2.44.0:tar.gz:bin'
    [artemis-next]='org.apache.artemis:artemis-server:2.55.0 org.apache.artemis:artemis-stomp-protocol:2.55.0
        org.slf4j:slf4j-simple:2.0.17'
    [activemq6]='org.apache.activemq:activemq-broker:6.3.1 org.apache.activemq:activemq-stomp:6.3.1
        org.apache.activemq:activemq-kahadb-store:6.3.1 org.apache.activemq:activemq-jaas:6.3.1
        com.thoughtworks.xstream:xstream:1.4.21 org.codehaus.jettison:jettison:1.5.4
        org.slf4j:slf4j-simple:2.0.17'
    [activemq61]='org.apache.activemq:activemq-broker:6.1.8 org.apache.activemq:activemq-stomp:6.1.8
        org.apache.activemq:activemq-kahadb-store:6.1.8 org.apache.activemq:activemq-jaas:6.1.8
        com.thoughtworks.xstream:xstream:1.4.21 org.codehaus.jettison:jettison:1.5.4
        org.apache.activemq:activemq-http:6.1.8 org.eclipse.jetty.websocket:websocket-jetty-server:11.0.26
        org.slf4j:slf4j-simple:2.0.17'
    [apollo]='org.apache.activemq:apollo-broker:1.7.1 org.apache.activemq:apollo-stomp:1.7.1
        org.apache.activemq:apollo-leveldb:1.7.1 org.slf4j:slf4j-simple:1.6.6 javax.xml.bind:jaxb-api:2.3.1
        com.sun.xml.bind:jaxb-impl:2.3.3 com.sun.activation:javax.activation:1.2.0'
    [hornetq]='org.hornetq:hornetq-server:2.4.9.Final org.hornetq:hornetq-stomp-protocol:2.4.9.Final'
    [spring]='org.springframework.boot:spring-boot-starter-websocket:3.5.7'
)
# Artemis's distribution has its own.
declare -A LAUNCHER=([artemis-next]=Artemis [artemis-killed]=Artemis [activemq6]=ActiveMQ [activemq61]=ActiveMQ [apollo]=Apollo [hornetq]=HornetQ
    [spring]=Spring)
ARTEMIS_HOME=$CACHE/artemis/apache-artemis-2.44.0
MAVEN=(mvn -B -q -Dstyle.color=never)

# ------------------------------------------------------------------------------------------- installing

java_packages() {
    if command -v mvn >/dev/null && command -v javac >/dev/null; then return 0; fi
    apt_install maven openjdk-17-jdk-headless
}

# what was downloaded before is not downloaded again
java_install() { # NAME
    local name=$1 dir=$CACHE/$1 wanted each group artifact version
    wanted=$(xargs <<<"${JARS[$name]}")
    if [[ $(cat "$dir/wanted" 2>/dev/null) != "$wanted" ]]; then
        java_packages
        rm -rf "$dir"
        mkdir -p "$dir"
        if [[ $name == artemis ]]; then
            "${MAVEN[@]}" dependency:copy -Dartifact="$wanted" -DoutputDirectory="$dir" ||
                die "$name: Maven Central does not give $wanted"
            tar xzf "$dir"/*.tar.gz -C "$dir"
            rm "$dir"/*.tar.gz
            say "$wanted" >"$dir/wanted"
            say "$name: installed"
            return 0
        fi
        {
            say '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
            say "<groupId>brokers</groupId><artifactId>$name</artifactId><version>1</version>"
            say '<packaging>pom</packaging><dependencies>'
            for each in $wanted; do
                IFS=: read -r group artifact version <<<"$each"
                say "<dependency><groupId>$group</groupId><artifactId>$artifact</artifactId><version>$version</version>"
                # two that Apollo names and does without: their repositories are gone
                say '<exclusions><exclusion><groupId>net.sf.josql</groupId><artifactId>*</artifactId></exclusion>'
                say '<exclusion><groupId>com.sleepycat</groupId><artifactId>*</artifactId></exclusion></exclusions>'
                say '</dependency>'
            done
            say '</dependencies></project>'
        } >"$dir/pom.xml"
        (cd "$dir" && "${MAVEN[@]}" dependency:copy-dependencies -DincludeScope=runtime \
            -DoutputDirectory=lib) || die "$name: Maven Central does not give all of: $wanted"
        say "$wanted" >"$dir/wanted"
    fi
    java_compile "$name"
    say "$name: installed"
}

# the launcher, if it has changed
java_compile() { # NAME
    if [[ -z ${LAUNCHER[$1]:-} ]]; then return 0; fi
    local dir=$CACHE/$1 sources=("$HERE/${LAUNCHER[$1]}.java" "$HERE/UntilStopped.java")
    if cat "${sources[@]}" | cmp -s - "$dir/launcher/source"; then return 0; fi
    mkdir -p "$dir/launcher"
    javac -nowarn -proc:none -parameters -cp "$dir/lib/*" -d "$dir/launcher" "${sources[@]}" ||
        die "$1: ${sources[0]} does not compile"
    cat "${sources[@]}" >"$dir/launcher/source"
}

rabbitmq4_install() {
    local root=$RABBITMQ4_ROOT
    [[ $EUID == 0 ]] || die "rabbitmq4: debootstrap and chroot need root"
    if [[ ! -x $root/usr/sbin/rabbitmq-server ]]; then
        command -v debootstrap >/dev/null || apt_install debootstrap
        mkdir -p "$CACHE"
        debootstrap --variant=minbase trixie "$root" >"$CACHE/debootstrap.log" 2>&1 ||
            die "rabbitmq4: debootstrap failed, see $CACHE/debootstrap.log"
        printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d" # no service may start by itself
        chmod 755 "$root/usr/sbin/policy-rc.d"
        DEBIAN_FRONTEND=noninteractive chroot "$root" apt-get install -y -q --no-install-recommends \
            rabbitmq-server >"$CACHE/rabbitmq4.log" 2>&1 || die "rabbitmq4: apt failed, see $CACHE/rabbitmq4.log"
    fi
    say "rabbitmq4: installed, $(chroot "$root" dpkg-query -W -f '${Version}' rabbitmq-server)"
}

# --------------------------------------------------------------------------------------------- starting

java_spawn() { # NAME ARGUMENT...
    local name=$1 dir=$WORK/$1 cache=$CACHE/${1/killed/next}
    shift
    spawn "$name" java -Xms64m -Xmx512m -Djava.awt.headless=true -Djava.io.tmpdir="$dir/tmp" \
        -Djava.security.egd=file:/dev/./urandom ${JAVA_OPTIONS:+"${JAVA_OPTIONS[@]}"} \
        -cp "$cache/launcher:$cache/lib/*" "${LAUNCHER[$name]}" "$@"
}

java_up() {
    local name=$1 dir=$WORK/$1 tls=$WORK/tls port ports=() uris=() JAVA_OPTIONS=()
    if alive "$name"; then say "$name: already up"; return 0; fi
    is_installed "$name" || die "$name is not installed (scripts/brokers install $name)"
    java_compile "${name/killed/next}"
    for port in "$name"{,-tls,-mtls,-ws,-wss,-plain}; do
        if [[ -n ${PORT[$port]:-} ]]; then ports+=("${PORT[$port]}"); fi
    done
    must_be_free "$name" "${ports[@]}"
    java_stores
    mkdir -p "$dir/data" "$dir/tmp"
    case $name in
        artemis)
            artemis_instance
            JAVA_ARGS="-Xms64m -Xmx512m" spawn artemis "$dir/instance/bin/artemis" run
            ;;
        artemis-next | artemis-killed)
            artemis_conf "$name" >"$dir/broker.xml"
            java_spawn "$name" "file:$dir/broker.xml"
            ;;
        activemq6 | activemq61)
            uris=("stomp://$BIND:${PORT[$name]}?transport.closeAsync=false"
                "stomp+ssl://$BIND:${PORT[$name-tls]}?transport.closeAsync=false"
                "stomp+ssl://$BIND:${PORT[$name-mtls]}?transport.closeAsync=false&needClientAuth=true")
            if [[ $name == activemq61 ]]; then
                uris+=("ws://$BIND:${PORT[activemq61-ws]}" "wss://$BIND:${PORT[activemq61-wss]}")
            fi
            java_spawn "$name" "$name" "$dir/data" "$tls" "$STORE_PASSWORD" "${uris[@]}"
            ;;
        apollo)
            apollo_conf >"$dir/apollo.xml"
            say 'apollo {
  org.apache.activemq.jaas.PropertiesLoginModule required
    org.apache.activemq.jaas.properties.user="users.properties"
    org.apache.activemq.jaas.properties.group="groups.properties";
};' >"$dir/login.config"
            say 'admin=password' >"$dir/users.properties"
            say 'admins=admin' >"$dir/groups.properties"
            JAVA_OPTIONS=(-Djava.security.auth.login.config="$dir/login.config" -Dlibrary.leveldbjni.path="$dir/tmp"
                --add-opens java.base/java.lang=ALL-UNNAMED)
            java_spawn apollo "$dir/apollo.xml" "$dir/tmp"
            ;;
        hornetq)
            java_spawn hornetq "$dir/data" "$tls" "$STORE_PASSWORD" "$BIND" "${PORT[hornetq]}" "${PORT[hornetq-tls]}" \
                "${PORT[hornetq-mtls]}"
            ;;
        spring)
            java_spawn spring --server.address="$BIND" --server.port="${PORT[spring]}"
            wait_for spring 60 spring_ok
            return
            ;;
    esac
    wait_for "$name" 60 stomp_ok "${PORT[$name]}" admin password
}

# It has no STOMP port: SockJS's greeting stands for it.
spring_ok() {
    local reply
    reply=$(exec 2>/dev/null 3<>"/dev/tcp/127.0.0.1/${PORT[spring]}" &&
        printf 'GET /stomp HTTP/1.0\r\n\r\n' >&3 && timeout 4 cat <&3) || return 1
    [[ $reply == *"Welcome to SockJS!"* ]]
}

# The acceptor of "artemis create" without prefixes, where every name is a multicast address; and one with the prefixes by
# which /queue/ means a queue and /topic/ a topic.
artemis_acceptors() { # NAME
    local common='tcpSendBufferSize=1048576;tcpReceiveBufferSize=1048576;protocols=STOMP' tls=$WORK/tls prefixes server client
    prefixes='anycastPrefix=/queue/;multicastPrefix=/topic/'
    server="sslEnabled=true;keyStorePath=$tls/server.p12;keyStorePassword=$STORE_PASSWORD;keyStoreType=PKCS12"
    client="needClientAuth=true;trustStorePath=$tls/trust.p12;trustStorePassword=$STORE_PASSWORD;trustStoreType=PKCS12"
    cat <<XML
    <acceptors>
      <acceptor name="stomp-plain">tcp://$BIND:${PORT[$1-plain]}?$common</acceptor>
      <acceptor name="stomp">tcp://$BIND:${PORT[$1]}?$common;$prefixes</acceptor>
      <acceptor name="stomp-tls">tcp://$BIND:${PORT[$1-tls]}?$common;$prefixes;$server</acceptor>
      <acceptor name="stomp-mtls">tcp://$BIND:${PORT[$1-mtls]}?$common;$prefixes;$server;$client</acceptor>
    </acceptors>
XML
}

# What "artemis create" makes, less the web console.
artemis_instance() {
    local dir=$WORK/artemis
    if [[ ! -s $dir/created.xml ]]; then
        rm -rf "$dir/instance"
        "$ARTEMIS_HOME/bin/artemis" create "$dir/instance" --user admin --password password --require-login --silent \
            --no-autotune --host "$BIND" >/dev/null
        cat >"$dir/instance/etc/bootstrap.xml" <<XML
<broker xmlns="http://activemq.apache.org/schema">
   <jaas-security domain="activemq"/>
   <server configuration="file:$dir/instance/etc/broker.xml"/>
</broker>
XML
        cp "$dir/instance/etc/broker.xml" "$dir/created.xml"
    fi
    artemis_acceptors artemis >"$dir/acceptors.xml"
    awk -v file="$dir/acceptors.xml" '
        /<acceptors>/ { while ((getline line < file) > 0) print line; skip = 1 }
        !skip
        /<\/acceptors>/ { skip = 0 }' "$dir/created.xml" >"$dir/instance/etc/broker.xml"
}

artemis_conf() { # NAME
    local dir=$WORK/$1 may
    cat <<XML
<configuration xmlns="urn:activemq">
  <core xmlns="urn:activemq:core">
    <name>$1</name>
    <persistence-enabled>true</persistence-enabled>
    <journal-type>NIO</journal-type>
    <paging-directory>$dir/data/paging</paging-directory>
    <bindings-directory>$dir/data/bindings</bindings-directory>
    <journal-directory>$dir/data/journal</journal-directory>
    <large-messages-directory>$dir/data/large-messages</large-messages-directory>
    <journal-min-files>2</journal-min-files>
    <journal-pool-files>10</journal-pool-files>
    <journal-file-size>10M</journal-file-size>
$(artemis_acceptors "$1")
    <security-settings>
      <security-setting match="#">
XML
    for may in {create,delete}{NonDurableQueue,DurableQueue,Address} consume browse send manage; do
        say "        <permission type=\"$may\" roles=\"amq\"/>"
    done
    cat <<XML
      </security-setting>
    </security-settings>
    <address-settings>
      <address-setting match="#">
        <dead-letter-address>DLQ</dead-letter-address>
        <expiry-address>ExpiryQueue</expiry-address>
        <redelivery-delay>0</redelivery-delay>
        <address-full-policy>PAGE</address-full-policy>
        <auto-delete-queues>false</auto-delete-queues>
        <auto-delete-addresses>false</auto-delete-addresses>
      </address-setting>
    </address-settings>
    <addresses>
      <address name="DLQ"><anycast><queue name="DLQ"/></anycast></address>
      <address name="ExpiryQueue"><anycast><queue name="ExpiryQueue"/></anycast></address>
    </addresses>
  </core>
</configuration>
XML
}

apollo_conf() {
    cat <<XML
<broker xmlns="http://activemq.apache.org/schema/activemq/apollo">
  <authentication domain="apollo"/>
  <access_rule allow="*" action="*"/>
  <virtual_host id="localhost">
    <host_name>localhost</host_name>
    <host_name>127.0.0.1</host_name>
    <leveldb_store directory="$WORK/apollo/data"/>
  </virtual_host>
  <key_storage file="$WORK/tls/both.p12" password="$STORE_PASSWORD" key_password="$STORE_PASSWORD"/>
  <connector id="tcp" bind="tcp://$BIND:${PORT[apollo]}" connection_limit="2000" protocol="stomp"/>
  <connector id="tls" bind="tls://$BIND:${PORT[apollo-tls]}" connection_limit="2000" protocol="stomp"/>
  <connector id="mtls" bind="tls://$BIND:${PORT[apollo-mtls]}?client_auth=need" connection_limit="2000" protocol="stomp"/>
</broker>
XML
}

# It registers with the same private epmd as the other RabbitMQ nodes.
rabbitmq4_up() {
    local root=$RABBITMQ4_ROOT dir=$WORK/rabbitmq4 data=$RABBITMQ4_ROOT$RABBITMQ4_DATA
    if alive rabbitmq4; then say "rabbitmq4: already up"; return 0; fi
    [[ -x $root/usr/sbin/rabbitmq-server ]] || die "rabbitmq4 is not installed (scripts/brokers install rabbitmq4)"
    must_be_free rabbitmq4 "${PORT[rabbitmq4]}" "${PORT[rabbitmq4-dist]}"
    epmd_up
    certificates
    mkdir -p "$dir" "$data"/{mnesia,logs,home,tls}
    cp "$WORK"/tls/{server.crt,server.key,client-ca.crt} "$data/tls"
    chmod 644 "$data/tls"/*
    cat >"$data/rabbitmq.conf" <<CONF
loopback_users = none
default_user = admin
default_pass = password
listeners.tcp = none
stomp.listeners.tcp.1 = $BIND:${PORT[rabbitmq4]}
stomp.listeners.ssl.1 = $BIND:${PORT[rabbitmq4-tls]}
ssl_options.cacertfile = $RABBITMQ4_DATA/tls/client-ca.crt
ssl_options.certfile = $RABBITMQ4_DATA/tls/server.crt
ssl_options.keyfile = $RABBITMQ4_DATA/tls/server.key
ssl_options.verify = verify_peer
ssl_options.fail_if_no_peer_cert = false
web_stomp.tcp.ip = $BIND
web_stomp.tcp.port = ${PORT[rabbitmq4-ws]}
web_stomp.ssl.ip = $BIND
web_stomp.ssl.port = ${PORT[rabbitmq4-wss]}
web_stomp.ssl.certfile = $RABBITMQ4_DATA/tls/server.crt
web_stomp.ssl.keyfile = $RABBITMQ4_DATA/tls/server.key
log.console = true
log.file = false
vm_memory_high_watermark.absolute = 1GiB
disk_free_limit.absolute = 200MB
CONF
    say '[rabbitmq_stomp,rabbitmq_web_stomp].' >"$data/enabled_plugins"
    rm -f "$data/beam.pid"
    ln -sf "$data/beam.pid" "$dir/beam.pid"
    spawn rabbitmq4 chroot "$root" /usr/bin/env HOME="$RABBITMQ4_DATA/home" LC_ALL=C.UTF-8 \
        ERL_EPMD_PORT="${PORT[epmd]}" ERL_EPMD_ADDRESS=127.0.0.1 RABBITMQ_DIST_PORT="${PORT[rabbitmq4-dist]}" \
        RABBITMQ_NODENAME=rabbitmq4@localhost RABBITMQ_CONF_ENV_FILE=/dev/null \
        RABBITMQ_CONFIG_FILE=$RABBITMQ4_DATA/rabbitmq.conf RABBITMQ_ENABLED_PLUGINS_FILE=$RABBITMQ4_DATA/enabled_plugins \
        RABBITMQ_MNESIA_BASE=$RABBITMQ4_DATA/mnesia RABBITMQ_LOG_BASE=$RABBITMQ4_DATA/logs \
        RABBITMQ_PID_FILE=$RABBITMQ4_DATA/beam.pid RABBITMQ_GENERATED_CONFIG_DIR=$RABBITMQ4_DATA/generated \
        RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="-kernel inet_dist_use_interface {127,0,0,1}" \
        /usr/lib/rabbitmq/bin/rabbitmq-server
    wait_for rabbitmq4 90 stomp_ok "${PORT[rabbitmq4]}" admin password
}
