<?php
// One task inside the throw-away WordPress, run by the PHP command line: a JSON order on stdin, a JSON answer after a marker.
$order = json_decode( stream_get_contents( STDIN ), true );
$_SERVER['HTTP_HOST'] = parse_url( $order['base_url'], PHP_URL_HOST ) . ':' . parse_url( $order['base_url'], PHP_URL_PORT );
$_SERVER['REQUEST_URI'] = '/';
error_reporting( E_ALL & ~E_DEPRECATED & ~E_WARNING & ~E_NOTICE );
if ( 'install' === $order['task'] ) {
	define( 'WP_INSTALLING', true );
}
require $order['www'] . '/wp-load.php';
add_filter( 'pre_wp_mail', '__return_true' );

function qianfa_password( $user ) {
	list( $password ) = WP_Application_Passwords::create_new_application_password( $user, array( 'name' => 'qianfa-' . wp_generate_password( 6, false ) ) );
	return $password;
}

function qianfa_install( $order ) {
	require_once ABSPATH . 'wp-admin/includes/upgrade.php';
	$made = wp_install( $order['title'], 'admin', 'admin@example.test', true, '', $order['admin_password'], 'zh_CN' );
	global $wp_rewrite;
	$wp_rewrite->set_permalink_structure( $order['permalinks'] );
	$wp_rewrite->flush_rules();
	foreach ( get_posts( array( 'post_type' => array( 'post', 'page' ), 'post_status' => 'any', 'numberposts' => -1 ) ) as $sample ) {
		wp_delete_post( $sample->ID, true );
	}
	update_option( 'default_comment_status', 'closed' );
	update_option( 'default_ping_status', 'closed' );
	$editor = wp_insert_user( array( 'user_login' => 'editor', 'user_email' => 'editor@example.test', 'user_pass' => $order['editor_password'], 'role' => 'editor' ) );
	return array(
		'admin' => array( 'id' => $made['user_id'], 'user' => 'admin', 'application_password' => qianfa_password( $made['user_id'] ) ),
		'editor' => array( 'id' => $editor, 'user' => 'editor', 'application_password' => qianfa_password( $editor ) ),
		'wordpress' => $GLOBALS['wp_version'],
		'php' => PHP_VERSION,
	);
}

function qianfa_task( $order ) {
	switch ( $order['task'] ) {
		case 'install':
			return qianfa_install( $order );
		case 'edit':
			kses_remove_filters();
			$result = wp_update_post( wp_slash( array( 'ID' => $order['id'] ) + $order['fields'] ), true );
			return is_wp_error( $result ) ? array( 'error' => $result->get_error_message() ) : array( 'id' => $result );
		case 'meta':
			return array( 'done' => (bool) update_post_meta( $order['id'], $order['key'], wp_slash( $order['value'] ) ) );
		case 'sticky':
			$order['on'] ? stick_post( $order['id'] ) : unstick_post( $order['id'] );
			return array( 'sticky' => is_sticky( $order['id'] ) );
		case 'permalinks':
			global $wp_rewrite;
			$wp_rewrite->set_permalink_structure( $order['structure'] );
			$wp_rewrite->flush_rules();
			return array( 'structure' => $order['structure'] );
		case 'password':
			return array( 'application_password' => qianfa_password( get_user_by( 'login', $order['user'] )->ID ) );
	}
	return array( 'error' => 'unknown task' );
}

echo "\n@@QIANFA@@" . json_encode( qianfa_task( $order ) );
