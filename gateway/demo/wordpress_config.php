<?php
// Configuration of the throw-away WordPress: everything that differs between sites stands in site.json beside the web root.
$qianfa_site = json_decode( file_get_contents( __DIR__ . '/../site.json' ), true );
define( 'DB_NAME', 'wp' );
define( 'DB_USER', 'nobody' );
define( 'DB_PASSWORD', '' );
define( 'DB_HOST', 'localhost' );
define( 'DB_CHARSET', 'utf8mb4' );
define( 'DB_COLLATE', '' );
define( 'DB_DIR', dirname( __DIR__ ) . '/db/' );
define( 'DB_FILE', 'wp.sqlite' );
foreach ( array( 'AUTH_KEY', 'SECURE_AUTH_KEY', 'LOGGED_IN_KEY', 'NONCE_KEY', 'AUTH_SALT', 'SECURE_AUTH_SALT', 'LOGGED_IN_SALT', 'NONCE_SALT' ) as $qianfa_name ) {
	define( $qianfa_name, hash_hmac( 'sha256', $qianfa_name, $qianfa_site['seed'] ) );
}
$table_prefix = 'wp_';
define( 'WP_HOME', $qianfa_site['base_url'] );
define( 'WP_SITEURL', $qianfa_site['base_url'] );
define( 'WP_ENVIRONMENT_TYPE', 'local' ); // The only setting under which application passwords work without TLS.
define( 'WP_HTTP_BLOCK_EXTERNAL', true );
define( 'AUTOMATIC_UPDATER_DISABLED', true );
define( 'DISALLOW_FILE_MODS', true );
define( 'DISABLE_WP_CRON', true );
define( 'WP_DEBUG', false );
if ( ! defined( 'ABSPATH' ) ) {
	define( 'ABSPATH', __DIR__ . '/' );
}
require_once ABSPATH . 'wp-settings.php';
